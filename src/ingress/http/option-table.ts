import type { OptionRow } from '../../daemon/table.ts';

const time = 'TIME';

/**
 * The options of hosts and paths, in the order of `--help`, with the variables of OpenShift's router
 * (reference: l7, env). Times are HAProxy's: us ms s m h d, none: ms.
 */
export const httpOptionTable = {
  'http-port': {
    value: 'PORT',
    help: 'serve HTTP Routes on this port; without it and --https-port only ports are served',
    variable: 'ROUTER_SERVICE_HTTP_PORT',
  },
  'https-port': { value: 'PORT', help: 'serve TLS Routes on this port', variable: 'ROUTER_SERVICE_HTTPS_PORT' },
  'ip-mode': { value: 'MODE', help: 'v4, v6 or v4v6', variable: 'ROUTER_IP_V4_V6_MODE', initial: 'v4' },
  'http-address': { value: 'IP', help: 'address to listen on; default all' },
  'use-proxy-protocol': { help: 'expect the PROXY protocol from clients', variable: 'ROUTER_USE_PROXY_PROTOCOL' },
  domain: { value: 'DOMAIN', help: 'domain of Routes with spec.subdomain', variable: 'ROUTER_DOMAIN' },
  'subdomain-template': {
    value: 'TEMPLATE',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: OpenShift's own form of a template
    help: 'host of Routes without one, such as ${name}-${namespace}.apps.example.com',
    variable: 'ROUTER_SUBDOMAIN',
  },
  'override-hostname': {
    help: 'make every host by --subdomain-template',
    variable: 'ROUTER_OVERRIDE_HOSTNAME',
  },
  'override-domains': {
    value: 'DOMAIN,...',
    help: 'make hosts in these domains by --subdomain-template',
    variable: 'ROUTER_OVERRIDE_DOMAINS',
  },
  'allow-wildcard-routes': {
    help: 'serve Routes with wildcardPolicy Subdomain',
    variable: 'ROUTER_ALLOW_WILDCARD_ROUTES',
  },
  'disable-namespace-ownership-check': {
    help: 'let namespaces share a host by different paths',
    variable: 'ROUTER_DISABLE_NAMESPACE_OWNERSHIP_CHECK',
  },
  'connect-timeout': {
    value: time,
    help: 'for a connection to a server',
    variable: 'ROUTER_DEFAULT_CONNECT_TIMEOUT',
    initial: '5s',
  },
  'client-timeout': {
    value: time,
    help: 'silence of a client',
    variable: 'ROUTER_DEFAULT_CLIENT_TIMEOUT',
    initial: '30s',
  },
  'client-fin-timeout': {
    value: time,
    help: 'silence of a client that closed one side',
    variable: 'ROUTER_CLIENT_FIN_TIMEOUT',
    initial: '1s',
  },
  'server-timeout': {
    value: time,
    help: 'silence of a server',
    variable: 'ROUTER_DEFAULT_SERVER_TIMEOUT',
    initial: '30s',
  },
  'server-fin-timeout': {
    value: time,
    help: 'silence of a server whose client is gone',
    variable: 'ROUTER_DEFAULT_SERVER_FIN_TIMEOUT',
    initial: '1s',
  },
  'http-tunnel-timeout': {
    value: time,
    help: 'silence of a WebSocket or passthrough connection',
    variable: 'ROUTER_DEFAULT_TUNNEL_TIMEOUT',
    initial: '1h',
  },
  'slowloris-timeout': {
    value: time,
    help: 'for the whole header of a request',
    variable: 'ROUTER_SLOWLORIS_TIMEOUT',
    initial: '10s',
  },
  'http-keepalive-timeout': {
    value: time,
    help: 'between two requests of a connection',
    variable: 'ROUTER_SLOWLORIS_HTTP_KEEPALIVE',
    initial: '300s',
  },
  'inspect-delay': { value: time, help: 'for the first bytes of TLS', variable: 'ROUTER_INSPECT_DELAY', initial: '5s' },
  'hard-stop-after': {
    value: time,
    help: 'end an old worker after this, whatever it still has; default never',
    variable: 'ROUTER_HARD_STOP_AFTER',
  },
  'reload-interval': {
    value: time,
    help: 'least time between two reloads of HAProxy',
    variable: 'RELOAD_INTERVAL',
    initial: '5s',
  },
  'shutdown-delay': {
    value: time,
    help: 'go on serving for so long after SIGTERM, not ready (with --cleanup-on-exit)',
    variable: 'ROUTER_GRACEFUL_SHUTDOWN_DELAY',
    initial: '45s',
  },
  'shutdown-timeout': {
    value: time,
    help: 'then wait so long for connections to end',
    variable: 'ROUTER_MAX_SHUTDOWN_TIMEOUT',
    initial: '1h',
  },
  'max-connections': {
    value: 'NUMBER',
    help: 'connections at a time; auto: as many as files allow',
    variable: 'ROUTER_MAX_CONNECTIONS',
    initial: '50000',
  },
  threads: { value: 'NUMBER', help: 'threads of HAProxy; default one for each CPU', variable: 'ROUTER_THREADS' },
  'buffer-size': { value: 'BYTES', help: 'size of a buffer', variable: 'ROUTER_BUF_SIZE', initial: '32768' },
  'max-rewrite-size': {
    value: 'BYTES',
    help: 'of it for changed headers',
    variable: 'ROUTER_MAX_REWRITE_SIZE',
    initial: '8192',
  },
  'continuous-stats': { help: 'count long transfers while they last', variable: 'ROUTER_HAPROXY_CONTSTATS' },
  'abort-on-close': { help: 'do not send requests whose client has closed', variable: 'ROUTER_ABORT_ON_CLOSE' },
  'idle-close-on-response': {
    help: 'let idle connections outlive a reload until their next answer',
    variable: 'ROUTER_IDLE_CLOSE_ON_RESPONSE',
  },
  'dont-log-null': { help: 'do not log connections without data', variable: 'ROUTER_DONT_LOG_NULL' },
  'http-ignore-probes': { help: 'do not answer connections without a request', variable: 'ROUTER_HTTP_IGNORE_PROBES' },
  'enable-compression': { help: 'compress answers', variable: 'ROUTER_ENABLE_COMPRESSION' },
  'compression-mime': {
    value: 'TYPE ...',
    help: 'media types that are compressed',
    variable: 'ROUTER_COMPRESSION_MIME',
    initial: 'text/html text/plain text/css',
  },
  'ssl-min-version': {
    value: 'VERSION',
    help: 'lowest version of TLS',
    variable: 'SSL_MIN_VERSION',
    initial: 'TLSv1.2',
  },
  'ssl-max-version': { value: 'VERSION', help: 'highest version of TLS', variable: 'SSL_MAX_VERSION' },
  ciphers: {
    value: 'LIST',
    help: 'ciphers up to TLS 1.2: old, intermediate, modern or a list',
    variable: 'ROUTER_CIPHERS',
    initial: 'intermediate',
  },
  ciphersuites: { value: 'LIST', help: 'ciphers of TLS 1.3', variable: 'ROUTER_CIPHERSUITES' },
  curves: { value: 'LIST', help: 'elliptic curves', variable: 'ROUTER_CURVES' },
  'strict-sni': { help: 'refuse TLS for names without a certificate', variable: 'ROUTER_STRICT_SNI' },
  'disable-http2': { help: 'never offer HTTP/2', variable: 'ROUTER_DISABLE_HTTP2' },
  'mutual-tls-auth': {
    value: 'HOW',
    help: 'certificates of clients: none, optional or required',
    variable: 'ROUTER_MUTUAL_TLS_AUTH',
    initial: 'none',
  },
  'mutual-tls-auth-ca': { value: 'FILE', help: 'their authorities', variable: 'ROUTER_MUTUAL_TLS_AUTH_CA' },
  'mutual-tls-auth-crl': { value: 'FILE', help: 'their revocation lists', variable: 'ROUTER_MUTUAL_TLS_AUTH_CRL' },
  'mutual-tls-auth-filter': {
    value: 'REGEX',
    help: 'what their subject must match',
    variable: 'ROUTER_MUTUAL_TLS_AUTH_FILTER',
  },
  'mutual-tls-header-filter': {
    value: 'BOOL',
    help: 'remove X-SSL headers that clients send',
    variable: 'ROUTER_MUTUAL_TLS_HEADER_FILTER',
    initial: 'true',
  },
  'default-certificate': {
    value: 'PEM',
    help: 'certificate and key for hosts without one; else one made at start',
    variable: 'DEFAULT_CERTIFICATE',
  },
  'default-certificate-path': { value: 'FILE', help: 'the same from a file', variable: 'DEFAULT_CERTIFICATE_PATH' },
  'default-certificate-dir': {
    value: 'DIR',
    help: 'the same from tls.crt and tls.key',
    variable: 'DEFAULT_CERTIFICATE_DIR',
  },
  'default-destination-ca-path': {
    value: 'FILE',
    help: 'authorities of re-encrypt servers whose Route names none',
    variable: 'DEFAULT_DESTINATION_CA_PATH',
  },
  'cookie-name': { value: 'NAME', help: 'name of every sticky cookie', variable: 'ROUTER_COOKIE_NAME' },
  'forwarded-headers': {
    value: 'HOW',
    help: 'append, replace, if-none or never',
    variable: 'ROUTER_SET_FORWARDED_HEADERS',
    initial: 'append',
  },
  'unique-id-header-name': {
    value: 'NAME',
    help: 'give each request an identifier in this header',
    variable: 'ROUTER_UNIQUE_ID_HEADER_NAME',
  },
  'unique-id-format': {
    value: 'FORMAT',
    help: 'how it is made',
    variable: 'ROUTER_UNIQUE_ID_FORMAT',
    initial: '%{+X}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid',
  },
  'h1-case-adjust': {
    value: 'NAME,...',
    help: 'write header names so to HTTP/1 clients',
    variable: 'ROUTER_H1_CASE_ADJUST',
  },
  'http-request-headers': {
    value: 'ACTION,...',
    help: 'headers of requests: url-coded name:value:Set or name:Delete',
    variable: 'ROUTER_HTTP_REQUEST_HEADERS',
  },
  'http-response-headers': {
    value: 'ACTION,...',
    help: 'headers of responses',
    variable: 'ROUTER_HTTP_RESPONSE_HEADERS',
  },
  'errorfile-503': {
    value: 'FILE',
    help: 'whole HTTP answer where no server can answer',
    variable: 'ROUTER_ERRORFILE_503',
  },
  'errorfile-404': { value: 'FILE', help: 'whole HTTP answer where no Route fits', variable: 'ROUTER_ERRORFILE_404' },
  'health-uri': {
    value: 'PATH',
    help: 'answer 200 to it on the HTTP port, whatever the host',
    initial: '/_______internal_router_healthz',
  },
  'syslog-address': {
    value: 'ADDRESS',
    help: 'access log: host:port or a socket of syslog, or stdout; default none',
    variable: 'ROUTER_SYSLOG_ADDRESS',
  },
  'syslog-format': { value: 'FORMAT', help: 'format of its lines', variable: 'ROUTER_SYSLOG_FORMAT' },
  'access-log-level': {
    value: 'LEVEL',
    help: 'least level of its lines',
    variable: 'ROUTER_LOG_LEVEL',
    initial: 'warning',
  },
  'log-facility': { value: 'NAME', help: 'facility of syslog', variable: 'ROUTER_LOG_FACILITY', initial: 'local1' },
  'log-max-length': { value: 'BYTES', help: 'longest line', variable: 'ROUTER_LOG_MAX_LENGTH', initial: '1024' },
  'capture-http-request-headers': {
    value: 'NAME:LEN,...',
    help: 'headers of requests that are logged',
    variable: 'ROUTER_CAPTURE_HTTP_REQUEST_HEADERS',
  },
  'capture-http-response-headers': {
    value: 'NAME:LEN,...',
    help: 'headers of responses that are logged',
    variable: 'ROUTER_CAPTURE_HTTP_RESPONSE_HEADERS',
  },
  'capture-http-cookie': {
    value: 'NAME[=]:LEN',
    help: 'cookie that is logged; =: of just this name',
    variable: 'ROUTER_CAPTURE_HTTP_COOKIE',
  },
  'spare-backends': { value: 'NUMBER', help: 'backends kept ready for new Routes, of each kind', initial: '100' },
  'haproxy-binary': { value: 'FILE', help: 'HAProxy, 2.6 or newer', initial: '/usr/sbin/haproxy' },
  'haproxy-user': { value: 'NAME', help: 'as whom its worker runs; root: as the agent', initial: 'haproxy' },
  'haproxy-directory': { value: 'DIR', help: 'private folder of its files; default /run/egress-router/ingress-NAME' },
} as const satisfies Readonly<Record<string, OptionRow>>;

export type HttpOptionName = keyof typeof httpOptionTable;

/** Variables of OpenShift's router that mean nothing here, and why; whoever sets one is told at start. */
export const unservedVariables: Readonly<Record<string, string>> = {
  TEMPLATE_FILE: 'the configuration is not made from a template',
  RELOAD_SCRIPT: 'the agent itself reloads HAProxy',
  DROP_SYN_DURING_RESTART: 'reloads hand listeners over',
  MAX_RELOAD_WAIT_TIME: 'a reload is waited for until HAProxy says how it went',
  COMMIT_INTERVAL: 'files are written with every change',
  ROUTER_HAPROXY_CONFIG_MANAGER: 'changes are always made live where HAProxy can',
  ROUTER_MAX_DYNAMIC_SERVERS: 'servers are added as they come',
  ROUTER_BLUEPRINT_ROUTE_NAMESPACE: 'spare backends need no blueprints: see --spare-backends',
  ROUTER_BLUEPRINT_ROUTE_LABELS: 'spare backends need no blueprints: see --spare-backends',
  ROUTER_BLUEPRINT_ROUTE_POOL_SIZE: 'spare backends need no blueprints: see --spare-backends',
  ROUTER_HAPROXY_ADMIN_UNIX_SOCKET: 'HAProxy runs beside the agent, not in a container of its own',
  ROUTER_BIND_PORTS_AFTER_SYNC: 'ports are always bound after the first sync',
  ROUTER_BACKEND_PROCESS_ENDPOINTS: 'the order of endpoints does not matter',
  ROUTER_WATCH_ENDPOINTS: 'EndpointSlices are always watched',
  ROUTE_FIELDS: 'Routes are selected by labels',
  UPGRADE_VALIDATION: 'there is no version that serves fewer Routes',
  ROUTER_METRICS_TLS_CERT_FILE: 'statistics are served without TLS, on loopback unless told',
  ROUTER_METRICS_TLS_KEY_FILE: 'statistics are served without TLS, on loopback unless told',
};
