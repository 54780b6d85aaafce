import { allowListRules, limitRules, tenantRules } from './common.ts';
import { flagged, letters } from './letters.ts';
import type { LogSettings, Settings } from './model.ts';
import { absent, mark, onward, servedOnly } from './paths.ts';
import { checkToken, hopHeader, quoteWord } from './quote.ts';
import { headerRule, milliseconds } from './section.ts';

/** Sockets between the public frontends and those that end TLS, with their paths before and after chroot. */
export interface Loopback {
  readonly bind: (name: string) => string;
  readonly connect: (name: string) => string;
  /** The socket that the supervisor probes. */
  readonly health: string;
}

/** Renders the frontends and their backends, with the names that OpenShift's dashboards expect. */
export function renderFrontends(settings: Settings, loopback: Loopback): string {
  return [
    plainFrontend(settings),
    tlsFrontend(settings),
    secureFrontend('fe_sni', settings, loopback),
    secureFrontend('fe_no_sni', settings, loopback),
    innerBackends(settings, loopback),
    healthFrontend(loopback),
    settings.stats === undefined ? '' : statsFrontend(settings.stats),
  ].join('\n');
}

function plainFrontend(settings: Settings): string {
  return `frontend public from base
${binds(settings, settings.listen.httpPort)}${settings.healthUri === undefined ? '' : `  monitor-uri ${quoteWord(settings.healthUri)}\n`}${logLines(settings.log, 'http')}
${hygiene(settings)}
${globalHeaders(settings)}${lookUp('plain', settings)}
${logNames(settings)}  use_backend redirect if ${flagged(letters.redirect)}
  use_backend %[var(txn.route),field(1,|)]
  default_backend openshift_default
`;
}

/** Number of routers that a request may pass before it is considered a loop. */
const maxHops = 10;

/** Reads the name in a ClientHello: the TLS of passthrough hosts does not end here. */
function tlsFrontend(settings: Settings): string {
  return `frontend public_ssl from tcp
${binds(settings, settings.listen.httpsPort)}${logLines(settings.log, 'tcp')}  tcp-request inspect-delay ${milliseconds(settings.timeouts.inspect)}
  tcp-request content set-var(txn.sni) req.ssl_sni,lower,rtrim(.) if { req.ssl_hello_type 1 }
  tcp-request content set-var(txn.route) var(txn.sni),map_str(maps/passthrough.map) if { var(txn.sni) -m found }
  tcp-request content set-var(txn.route) 'var(txn.sni),regsub("^[^.]*","*"),map_str(maps/passthrough.map)' if { var(txn.sni) -m found } !{ var(txn.route) -m found }
  tcp-request content set-var(txn.section) var(txn.route),field(1,|) if { var(txn.route) -m len gt 1 }
${tenantRules(settings)}  tcp-request content set-var(txn.flags) var(txn.route),field(4,|) if { var(txn.route) -m sub |! }
  tcp-request content set-var(txn.tenancy) var(txn.route),field(5,|) if { var(txn.flags) -m found }
  tcp-request content set-var(txn.address) 'src,hex,regsub("^0{20}FFFF","")' if { var(txn.flags) -m found }
  tcp-request content set-var-fmt(txn.client) "%[var(txn.section)]/%[var(txn.address),length]:%[var(txn.address)]" if { var(txn.flags) -m found }
${allowListRules('tcp-request content')}
  tcp-request content set-var(txn.limits) var(txn.section),map_str(maps/limits.map) if ${flagged(letters.limits)}
${limitRules('tcp-request content', 'if', 'tcp')}
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend %[var(txn.section)] if { var(txn.section) -m found }
  use_backend be_sni if { var(txn.sni) -m found }
  default_backend be_no_sni
`;
}

function secureFrontend(name: 'fe_sni' | 'fe_no_sni', settings: Settings, loopback: Loopback): string {
  const { tls, clientTls } = settings;
  const words = [
    `bind ${loopback.bind(name)} ssl crt certs/default.pem`,
    name === 'fe_sni' && 'crt-list certs/certificates.list',
    name === 'fe_sni' && tls.strictSni && 'strict-sni',
    'accept-proxy',
    clientTls !== undefined && `ca-file ca/clients.pem verify ${clientTls.verify}`,
    clientTls?.revocations !== undefined && 'crl-file ca/revoked.pem',
  ].filter((word) => word !== false);
  return `frontend ${name} from base
  ${words.join(' ')}
${logLines(settings.log, 'http')}
${hygiene(settings)}
${clientCertificates(settings)}${globalHeaders(settings)}${lookUp('secure', settings)}
${name === 'fe_sni' ? misdirected : ''}${logNames(settings)}  use_backend %[var(txn.route),field(1,|)]
  default_backend openshift_default
`;
}

/** An HTTP/2 connection may carry only the hosts that its certificate covers. */
const misdirected = `
  # HTTP/2: a host that is not the connection's own needs the same certificate.
  http-request set-var(txn.sni) ssl_fc_sni,lower if { fc_http_major 2 }
  http-request set-var(txn.theirs) var(txn.sni),map_str(maps/http2.map) if { var(txn.sni) -m found }
  http-request set-var(txn.theirs) 'var(txn.sni),regsub("^[^.]*","*"),map_str(maps/http2.map)' if { var(txn.sni) -m found } !{ var(txn.theirs) -m found }
  http-request set-var(txn.wanted) var(txn.host),map_str(maps/http2.map) if { var(txn.sni) -m found }
  http-request set-var(txn.wanted) 'var(txn.host),regsub("^[^.]*","*"),map_str(maps/http2.map)' if { var(txn.sni) -m found } !{ var(txn.wanted) -m found }
  http-request return status 421 if { var(txn.sni) -m found } !{ var(txn.host),strcmp(txn.sni) eq 0 } !{ var(txn.wanted),strcmp(txn.theirs) eq 0 }
`;

/** Servers that follow CGI treat `X_SSL…` as `X-SSL…`. */
const sslHeaderFilter = `  http-request del-header X-SSL -m beg
  http-request del-header X_SSL -m beg
`;

/** The headers that {@link clientCertificates} sets, with any mixture of "-" and "_". */
const sslHeaders = '^x[-_]ssl([-_](issuer|client[-_](verify|serial|version|sha1|dn|cn|notbefore|notafter|der)))?$';

/** Renders rules that clean or reject every request, regardless of its host. */
function hygiene(settings: Settings): string {
  return `  http-request return status 508 if { req.hdr_cnt(${hopHeader}) ge ${maxHops} }
  http-request deny if { req.fhdr(content-length) -m len 0 }
  http-request deny deny_status 400 if !{ req.ver 1.1 2.0 1.0 }
  http-request del-header Proxy
${settings.removeSslHeaders ? sslHeaderFilter : ''}  http-request del-header Upgrade if { req.fhdr(upgrade) -m sub -i h2c }
  http-request set-header Host %[req.hdr(host),lower] if { req.hdr(host) -m reg [A-Z] }
`;
}

function clientCertificates(settings: Settings): string {
  const { clientTls } = settings;
  if (clientTls === undefined) return '';
  const filter = clientTls.subjectFilter;
  return `${filter === undefined ? '' : `  http-request deny unless { ssl_c_s_dn -m reg ${quoteWord(filter)} }\n`}  http-request del-header ${quoteWord(sslHeaders)} -m reg
  http-request set-header X-SSL %[ssl_fc]
  http-request set-header X-SSL-Client-Verify %[ssl_c_verify]
  http-request set-header X-SSL-Client-Serial %{+Q}[ssl_c_serial,hex]
  http-request set-header X-SSL-Client-Version %{+Q}[ssl_c_version]
  http-request set-header X-SSL-Client-SHA1 %{+Q}[ssl_c_sha1,hex]
  http-request set-header X-SSL-Client-DN %{+Q}[ssl_c_s_dn]
  http-request set-header X-SSL-Client-CN %{+Q}[ssl_c_s_dn(cn)]
  http-request set-header X-SSL-Issuer %{+Q}[ssl_c_i_dn]
  http-request set-header X-SSL-Client-NotBefore %{+Q}[ssl_c_notbefore]
  http-request set-header X-SSL-Client-NotAfter %{+Q}[ssl_c_notafter]
  http-request set-header X-SSL-Client-DER %{+Q}[ssl_c_der,base64]
`;
}

function globalHeaders(settings: Settings): string {
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
const found = '{ var(txn.route) -m len gt 1 }';

/** Extracts the letters of the route. */
const setFlags = '  http-request set-var(txn.flags) var(txn.route),field(4,|) if { var(txn.route) -m sub |! }';

/**
 * Looks up host and path as received. Only if that finds nothing, a second lookup uses the host without port and
 * final dot, a third one the wildcard of the parent domain, and a fourth one every host. HTTP/2 requests always use all lookups, because the
 * host is compared with that of the connection.
 */
function lookUp(map: 'plain' | 'secure', settings: Settings): string {
  const servedOnlyRule = `  http-request set-var-fmt(txn.key2) "${servedOnly}%[var(txn.key2)]" if { var(txn.key2) -m found } { var(txn.route) -m beg ${onward} }\n`;
  return `  # Host, path, and the mark "${mark}", which no request can contain.
  http-request set-var(txn.route) base,concat(/${mark}),map_beg(maps/${map}.map)
${setFlags}
${logNames(settings)}  http-request allow if ${found}${map === 'secure' ? ' !{ fc_http_major 2 }' : ''}

  # The same without port and final dot.
  http-request set-var(txn.host) req.hdr(host),field(1,:)
  http-request set-var(txn.host) 'var(txn.host),regsub("\\\\.$","")' if { var(txn.host) -m end . }
  http-request set-var-fmt(txn.key) "%[var(txn.host)]%[path]/${mark}"
  http-request set-var(txn.route) var(txn.key),map_beg(maps/${map}.map)
  # "${absent}": treat as not found${map === 'plain' ? `; "${onward}": likewise, but without redirects` : ''}.
  http-request set-var(txn.key2) 'var(txn.key),regsub("^[^./]*\\\\.","*.")' if !${found}
${map === 'plain' ? servedOnlyRule : ''}  http-request set-var(txn.route) var(txn.key2),map_beg(maps/${map}.map)
  # Sites for every host answer only for hosts without a key.
  http-request set-var(txn.key3) 'var(txn.key),regsub("^[^/]*","*")' if !{ var(txn.route) -m found }
  http-request set-var(txn.route) var(txn.key3),map_beg(maps/${map}.map) if { var(txn.key3) -m found }
${setFlags}
`;
}

/** Sets the log's name of the backend and, until a server answers, of the server. */
function logNames({ log }: Settings): string {
  if (log === undefined) return '';
  return `  http-request set-var(txn.log_backend) str(openshift_default)
  http-request set-var(txn.log_backend) var(txn.route),field(1,|)
  http-request set-var(txn.log_backend) var(txn.log_backend),map_str(maps/log-backends.map)
  http-request set-var(txn.log_server) str(<NOSRV>)
`;
}

function innerBackends(settings: Settings, loopback: Loopback): string {
  const own = settings.errorPages[404] !== undefined;
  return `backend be_sni from tcp
  server fe_sni ${loopback.connect('fe_sni')} send-proxy-v2

backend be_no_sni from tcp
  server fe_no_sni ${loopback.connect('fe_no_sni')} send-proxy-v2

# Sends to https; here, so that refused clients are refused first.
backend redirect from http

# No Route fits.
backend openshift_default from base
  http-request deny deny_status ${own ? 404 : 503}
`;
}

/** Renders the listener that the supervisor probes every second. Its requests are not logged. */
function healthFrontend({ health }: Loopback): string {
  return `frontend health from base
  bind ${health}
  http-request set-log-level silent
  http-request return status 200
`;
}

function statsFrontend(stats: NonNullable<Settings['stats']>): string {
  const bind = stats.listen.kind === 'tcp' ? `:${stats.listen.port}` : `unix@${stats.listen.path} mode 600`;
  const password = stats.username === undefined ? '' : `${stats.username}:${stats.password ?? ''}`;
  return `${password === '' ? '' : `userlist operators\n  user ${quoteWord(stats.username ?? '')} insecure-password ${quoteWord(stats.password ?? '')}\n\n`}frontend stats from base
  bind ${quoteWord(bind)}
${password === '' ? '' : '  http-request auth realm statistics unless { http_auth(operators) }\n'}  http-request use-service prometheus-exporter if { path /metrics }
  stats enable
  stats uri /
  stats hide-version
`;
}

function binds(settings: Settings, port: number): string {
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

function logLines(log: LogSettings | undefined, mode: 'http' | 'tcp'): string {
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
