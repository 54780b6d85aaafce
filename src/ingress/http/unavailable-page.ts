const head = [
  'HTTP/1.0 503 Service Unavailable',
  'Pragma: no-cache',
  'Cache-Control: private, max-age=0, no-cache, no-store',
  'Connection: close',
  'Content-Type: text/html; charset=utf-8',
];

/** Must be shorter than half of the smallest response buffer, and must not load anything from other hosts. */
const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Application is not available</title>
<style>
body { margin: 0; background: #f4f5f7; color: #24292f; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 38rem; margin: 12vh auto; padding: 2rem; background: #fff; border-top: 4px solid #b42318; }
h1 { margin-top: 0; font-size: 1.5rem; }
code { background: #f4f5f7; padding: 0 .2rem; }
</style>
</head>
<body>
<main>
<h1>Application is not available</h1>
<p>The router received your request, but no application is ready to answer it.</p>
<p>If you expected one here, these are the usual causes:</p>
<ul>
<li><strong>The address is wrong.</strong> No Route has this host and path, or it serves only <code>https</code>.</li>
<li><strong>The application is not running.</strong> The Route exists, but its Service has no pod that is ready.</li>
</ul>
<p>The owner of the application can find the cause in the status of the Route.</p>
</main>
</body>
</html>
`;

/** Default response to requests without a matching Route or endpoint. An administrator can configure another file. */
export const unavailablePage = `${head.join('\r\n')}\r\n\r\n${body}`;
