import { clientCertificates, clientTlsWords } from './client-tls.ts';
import {
  binds,
  found,
  globalHeaders,
  hygiene,
  type Loopback,
  logLines,
  logNames,
  lookUpEvery,
  setFlags,
} from './frontend-parts.ts';
import { passRules, renderGatewayFrontends, sharedNames, sharedRules, useOwnInner } from './gateway-frontends.ts';
import { flagged, letters } from './letters.ts';
import type { Settings } from './model.ts';
import { absent, ceded, mark, onward, servedOnly } from './paths.ts';
import { quoteWord } from './quote.ts';
import { milliseconds } from './section.ts';

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
    ...renderGatewayFrontends(settings, loopback),
  ].join('\n');
}

function plainFrontend(settings: Settings): string {
  return `frontend public from base
${binds(settings, settings.listen.httpPort)}${settings.healthUri === undefined ? '' : `  monitor-uri ${quoteWord(settings.healthUri)}\n`}${logLines(settings.log, 'http')}
${hygiene(settings)}
${globalHeaders(settings)}${lookUp('plain', settings)}
${sharedRules(settings, 'public')}  use_backend redirect if ${flagged(letters.redirect)}
  use_backend %[var(txn.route),field(1,|)]
  default_backend openshift_default
`;
}

/** Reads the name in a ClientHello: the TLS of passthrough hosts does not end here. */
function tlsFrontend(settings: Settings): string {
  return `frontend public_ssl from tcp
${binds(settings, settings.listen.httpsPort)}${logLines(settings.log, 'tcp')}  tcp-request inspect-delay ${milliseconds(settings.timeouts.inspect)}
  tcp-request content set-var(txn.sni) req.ssl_sni,lower,rtrim(.) if { req.ssl_hello_type 1 }
  tcp-request content set-var(txn.route) var(txn.sni),map_str(maps/passthrough.map) if { var(txn.sni) -m found }
  tcp-request content set-var(txn.route) 'var(txn.sni),regsub("^[^.]*","*"),map_str(maps/passthrough.map)' if { var(txn.sni) -m found } !{ var(txn.route) -m found }
${sharedNames(settings)}${passRules(settings)}  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend %[var(txn.section)] if { var(txn.section) -m found }
${useOwnInner(settings)}  use_backend be_sni if { var(txn.sni) -m found }
  default_backend be_no_sni
`;
}

function secureFrontend(name: 'fe_sni' | 'fe_no_sni', settings: Settings, loopback: Loopback): string {
  const { tls } = settings;
  const words = [
    `bind ${loopback.bind(name)} ssl crt certs/default.pem`,
    name === 'fe_sni' && 'crt-list certs/certificates.list',
    name === 'fe_sni' && tls.strictSni && 'strict-sni',
    'accept-proxy',
    ...clientTlsWords(settings),
  ].filter((word) => word !== false);
  return `frontend ${name} from base
  ${words.join(' ')}
${logLines(settings.log, 'http')}
${hygiene(settings)}
${clientCertificates(settings)}${globalHeaders(settings)}${lookUp('secure', settings)}
${name === 'fe_sni' ? misdirected : ''}${sharedRules(settings, name)}  use_backend %[var(txn.route),field(1,|)]
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

/**
 * Looks up host and path as received. Only if that finds nothing, a second lookup uses the host without port and
 * final dot, a third one the wildcard of the parent domain, and a fourth one every host. HTTP/2 requests always use all
 * lookups, because the host is compared with that of the connection. With listeners of Gateways, the last lookup follows
 * theirs.
 */
function lookUp(map: 'plain' | 'secure', settings: Settings): string {
  const servedOnlyRule = `  http-request set-var-fmt(txn.key2) "${servedOnly}%[var(txn.key2)]" if { var(txn.key2) -m found } { var(txn.route) -m beg ${onward} }\n`;
  const isCeded = settings.gateways === undefined ? '' : ` !{ var(txn.route) -m str ${ceded} }`;
  return `  # Host, path, and the mark "${mark}", which no path contains.
  http-request set-var(txn.route) base,concat(/${mark}),map_beg(maps/${map}.map)
${setFlags}
${logNames(settings)}  http-request allow if ${found}${map === 'secure' ? ' !{ fc_http_major 2 }' : ''}

  # The same without port and final dot.
  http-request set-var(txn.host) req.hdr(host),field(1,:)
  http-request set-var(txn.host) 'var(txn.host),regsub("\\\\.$","")' if { var(txn.host) -m end . }
  http-request set-var-fmt(txn.key) "%[var(txn.host)]%[path]/${mark}"
  http-request set-var(txn.route) var(txn.key),map_beg(maps/${map}.map)
  # "${absent}": treat as not found${isCeded === '' ? '' : `; "${ceded}": ask the listeners of Gateways`}${map === 'plain' ? `; "${onward}": likewise, but without redirects` : ''}.
  http-request set-var(txn.key2) 'var(txn.key),regsub("^[^./]*\\\\.","*.")' if !${found}${isCeded}
${map === 'plain' ? servedOnlyRule : ''}  http-request set-var(txn.route) var(txn.key2),map_beg(maps/${map}.map)
${settings.gateways === undefined ? lookUpEvery(map) : ''}${setFlags}
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

# The access rules of a path are not in force.
backend closed from base
  http-request deny deny_status 503

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
