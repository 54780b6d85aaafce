import { createServer, type Server, type ServerResponse } from 'node:http';

/** What the controller answers by HTTP. */
export interface HttpParts {
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
  /** Why the controller is not ready; undefined when it is. */
  readonly unreadiness: () => string | undefined;
}

/** `/metrics`, and `/healthz` and `/readyz` for a kubelet. */
export function createControllerServer({ metrics, unreadiness }: HttpParts): Server {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'only GET and HEAD\n');
    switch (request.url?.split('?', 1)[0]) {
      case '/healthz':
        return send(response, 200, 'ok\n');
      case '/readyz': {
        const reason = unreadiness();
        return reason === undefined ? send(response, 200, 'ok\n') : send(response, 503, `${reason}\n`);
      }
      case '/metrics':
        metrics.metrics().then(
          (text) => send(response, 200, text, metrics.contentType),
          () => send(response, 500, 'the metrics cannot be read\n'),
        );
        return undefined;
      default:
        return send(response, 404, 'there are /metrics, /healthz and /readyz\n');
    }
  });
  // A client that sends slowly or nothing must not hold a connection for ever.
  server.requestTimeout = 5000;
  server.headersTimeout = 5000;
  server.maxConnections = 100;
  return server;
}

function send(response: ServerResponse, code: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(code, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
}
