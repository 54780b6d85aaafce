import type { LogSettings, Settings } from './model.ts';
import { mark } from './paths.ts';
import { checkToken, hopHeader, quoteWord } from './quote.ts';
import { headerRule } from './section.ts';

/** Sockets between the public frontends and those that end TLS, with their paths before and after chroot. */
export interface Loopback {
  readonly bind: (name: string) => string;
  readonly connect: (name: string) => string;
  /** The socket that the supervisor probes. */
  readonly health: string;
}

/** Number of routers that a request may pass before it is considered a loop. */
const maxHops = 10;

/** Servers that follow CGI treat `X_SSL…` as `X-SSL…`. */
const sslHeaderFilter = `  http-request del-header X-SSL -m beg
  http-request del-header X_SSL -m beg
`;

/**
 * Maps of hosts are in lower case. A Gateway's servers get the host as it came. What follows a slash is no part of a host
 * (RFC 9110 §7.2): in a lookup it would count as the beginning of the path, so that `Host: shop.example/x` would avoid
 * the access rules of a path.
 */
function lowerHost({ gateways }: Settings): string {
  const value = `req.hdr(host),field(1,/)${gateways === undefined ? '' : ',set-var(txn.cased)'},lower`;
  return `  http-request set-header Host %[${value}] if { req.hdr(host) -m reg [A-Z/] }\n`;
}

/** Renders rules that clean or reject every request, regardless of its host. */
export function hygiene(settings: Settings, { keepsHost = false } = {}): string {
  return `  http-request return status 508 if { req.hdr_cnt(${hopHeader}) ge ${maxHops} }
  http-request deny if { req.fhdr(content-length) -m len 0 }
  http-request deny deny_status 400 if !{ req.ver 1.1 2.0 1.0 }
  http-request deny deny_status 400 if { fc_http_major 2 } { path -m sub ${mark} }
  http-request del-header Proxy
${settings.removeSslHeaders ? sslHeaderFilter : ''}  http-request del-header Upgrade if { req.fhdr(upgrade) -m sub -i h2c }
${keepsHost ? '' : lowerHost(settings)}`;
}

export function globalHeaders(settings: Settings): string {
  const unique = settings.uniqueId;
  return [
    unique && `unique-id-format ${quoteWord(unique.format)}`,
    unique && `unique-id-header ${quoteWord(checkToken('header', unique.name))}`,
    ...settings.requestHeaders.map((action) => `http-request ${headerRule(action)}`),
    ...settings.responseHeaders.map((action) => `http-response ${headerRule(action)}`),
    // Comes last, so that no setting removes the header.
    `http-request add-header ${hopHeader} 1`,
  ]
    .filter((line) => line !== undefined)
    .map((line) => `  ${line}\n`)
    .join('');
}

/** Matches if the lookup found a route, and not only a mark. */
export const found = '{ var(txn.route) -m len gt 1 }';

/** Extracts the letters of the route. */
export const setFlags = '  http-request set-var(txn.flags) var(txn.route),field(4,|) if { var(txn.route) -m sub |! }';

/** Returns rules that look up the sites for every host, which answer only for hosts without a key. */
export function lookUpEvery(map: 'plain' | 'secure', when = ''): string {
  return `  http-request set-var(txn.key3) 'var(txn.key),regsub("^[^/]*","*")' if ${when}!{ var(txn.route) -m found }
  http-request set-var(txn.route) var(txn.key3),map_beg(maps/${map}.map) if { var(txn.key3) -m found }
`;
}

/** Sets the log's name of the backend and, until a server answers, of the server. */
export function logNames({ log }: Settings, condition = ''): string {
  if (log === undefined) return '';
  const when = condition === '' ? '' : ` if ${condition.trim()}`;
  return `  http-request set-var(txn.log_backend) str(openshift_default)${when}
  http-request set-var(txn.log_backend) var(txn.route),field(1,|) if ${condition}${found}
  http-request set-var(txn.log_backend) var(txn.log_backend),map_str(maps/log-backends.map)${when}
  http-request set-var(txn.log_server) str(<NOSRV>)${when}
`;
}

export function binds(settings: Settings, port: number): string {
  const { family, address, proxyProtocol } = settings.listen;
  const proxy = proxyProtocol ? ' accept-proxy' : '';
  const lines =
    address !== undefined
      ? [`${address.family === 6 ? `[${address.text}]` : address.text}:${port}`]
      : { v4: [`0.0.0.0:${port}`], v6: [`[::]:${port} v6only`], v4v6: [`0.0.0.0:${port}`, `[::]:${port} v6only`] }[
          family
        ];
  return lines.map((line) => `  bind ${line}${proxy}\n`).join('');
}

/** HAProxy's `option httplog`, spelled out. */
const httpLog =
  '%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r';

/** Replaces HAProxy's names of backend and server in a log format with the names of the state. */
function nameFormat(format: string): string {
  return format.replaceAll(
    /%(?:%|(\{[^}]*\})?([bs])(?![A-Za-z]))/g,
    (all, options: string | undefined, letter?: string) =>
      letter === undefined ? all : `%${options ?? ''}[var(txn.log_${letter === 'b' ? 'backend' : 'server'})]`,
  );
}

export function logLines(log: LogSettings | undefined, mode: 'http' | 'tcp'): string {
  if (log === undefined) return '';
  const format = mode === 'http' ? nameFormat(log.httpFormat ?? httpLog) : log.tcpFormat;
  const lines = [format === undefined ? `option ${mode}log` : `log-format ${quoteWord(format)}`];
  if (mode === 'http') {
    for (const { name, length } of log.captureRequestHeaders) {
      lines.push(`capture request header ${quoteWord(checkToken('header', name))} len ${length}`);
    }
    for (const { name, length } of log.captureResponseHeaders) {
      lines.push(`capture response header ${quoteWord(checkToken('header', name))} len ${length}`);
    }
    const cookie = log.captureCookie;
    if (cookie !== undefined) {
      const name = quoteWord(`${checkToken('cookie', cookie.name)}${cookie.prefix ? '' : '='}`);
      lines.push(`capture cookie ${name} len ${cookie.length}`);
    }
  }
  return lines.map((line) => `  ${line}\n`).join('');
}
