import { withCookie, withoutCookie } from './features.ts';
import { editRules } from './header-edits.ts';
import { flagged, letters } from './letters.ts';
import type { ForwardedMode, Settings } from './model.ts';
import { networksMap } from './networks.ts';
import { quoteWord } from './quote.ts';
import { milliseconds } from './section.ts';
import {
  bodySizeRules,
  corsRules,
  denyListRules,
  guardRules,
  redirectRules,
  steeringRules,
  upstreamRules,
} from './site-rules.ts';
import { loginRules, loginTables } from './users.ts';

/**
 * Renders the `defaults` sections that other sections inherit from. The rules for features of Routes exist here once
 * and look up maps, instead of 10,000 times in backends. Their order is the order in which a request meets them.
 *
 * @param editedHeaders names of headers for which there are rules
 */
export function renderDefaults(settings: Settings, editedHeaders: ReadonlySet<string>): string {
  return [
    base(settings),
    plainBackends(settings),
    bareBackends(settings),
    httpBackends(settings, editedHeaders),
    tcpBackends(settings),
  ].join('\n');
}

/** Matches an ordinary request, which has no flags. */
const ordinary = '!{ var(txn.flags) -m found }';

function base(settings: Settings): string {
  const { timeouts: time } = settings;
  const options = [
    'option redispatch',
    settings.ignoreProbes && 'option http-ignore-probes',
    settings.ignoreEmptyInLog && 'option dontlognull',
    settings.idleCloseOnResponse && 'option idle-close-on-response',
    settings.abortOnClose && 'option abortonclose',
    settings.continuousStats && 'option contstats',
    settings.log !== undefined && 'log global',
    settings.headerCases.length > 0 && 'option h1-case-adjust-bogus-client',
    settings.errorPages[503] !== undefined && 'errorfile 503 pages/503.http',
    settings.errorPages[404] !== undefined && 'errorfile 404 pages/404.http',
    settings.compression !== undefined && 'compression algo gzip',
    settings.compression !== undefined &&
      settings.compression.length > 0 &&
      `compression type ${settings.compression.map(quoteWord).join(' ')}`,
  ].filter((line) => line !== false);
  return `defaults base
  mode http
  timeout connect ${milliseconds(time.connect)}
  timeout client ${milliseconds(time.client)}
  timeout client-fin ${milliseconds(time.clientFin)}
  timeout server ${milliseconds(time.server)}
  timeout server-fin ${milliseconds(time.serverFin)}
  timeout tunnel ${milliseconds(time.tunnel)}
  timeout check ${milliseconds(time.check)}
  timeout http-request ${milliseconds(time.request)}
  timeout http-keep-alive ${milliseconds(time.keepAlive)}
${options.map((line) => `  ${line}\n`).join('')}`;
}

/** Renders the rules that select the server named by the client's cookie and remove the cookie from the request. */
function cookieRules(unless: string): string {
  return `  http-request set-var-fmt(txn.cookies) "%[var(txn.route),field(2,|)] %[req.fhdr(cookie)]" if { req.fhdr(cookie) -m found }${unless}
  http-request set-var(txn.server) 'var(txn.cookies),regsub("^([^ ]+) (?:.*; *)?\\\\1=([^;]*).*$","\\\\2")'
  http-request set-header Cookie '%[var(txn.cookies),regsub("^([^ ]+) (?:\\\\1=[^;]*(?:; *|$)|(.*?); *\\\\1=[^;]*(?=;|$))?","\\\\2")]' if { var(txn.cookies) -m found } { req.fhdr_cnt(cookie) eq 1 }
  http-request del-header Cookie if { var(txn.cookies) -m found } { req.fhdr(cookie) -m len 0 }`;
}

function plainBackends(settings: Settings): string {
  return `# Backends in the configuration without unusual features: requests evaluate no extra rules.
defaults plain from base
${connectionLimit(settings, 'http')}
${cookieRules('')}
${forwardedRules(settings, settings.forwarded)}
${settings.log === undefined ? '' : logServer}  http-response allow if ${withCookie}
${privateRules('')}
`;
}

function bareBackends(settings: Settings): string {
  return `# The same without sticky cookies.
defaults bare from base
${connectionLimit(settings, 'http')}
${forwardedRules(settings, settings.forwarded)}
${settings.log === undefined ? '' : logServer}`;
}

function httpBackends(settings: Settings, names: ReadonlySet<string>): string {
  return `# All other HTTP backends. Their route selects the rules: "SECTION|COOKIE|ATTRIBUTES|!LETTERS".
defaults http from base
${connectionLimit(settings, 'http')}
${tenancyRules('http-request', 'deny deny_status 503')}
${cookieRules(` !${flagged(letters.noCookie)}`)}
${forwardedRules(settings, settings.forwarded, ordinary)}
  http-request allow if ${ordinary}

  # From here on: requests of routes that ask for something unusual.
  http-request set-var(txn.section) var(txn.route),field(1,|)
  # An IPv4 client of a socket of both families, too.
  http-request set-var(txn.address) 'src,hex,regsub("^0{20}FFFF","")'
  http-request set-var-fmt(txn.client) "%[var(txn.section)]/%[var(txn.address),length]:%[var(txn.address)]"
${guardRules()}
${denyListRules('http-request', networksMap)}
${allowListRules('http-request')}
  http-request set-var(txn.limits) var(txn.section),map_str(maps/limits.map) if ${flagged(letters.limits)}
${limitRules('http-request', 'if', 'http')}
  # Found as it came: without port and final dot.
  http-request set-var(txn.host) req.hdr(host) if ${flagged(letters.redirect)} !{ var(txn.host) -m found }
  http-request redirect location https://%[var(txn.host)]%[pathq] code 308 if ${flagged(letters.redirect)} ${flagged(letters.permanent)}
  http-request redirect location https://%[var(txn.host)]%[pathq] code 302 if ${flagged(letters.redirect)}
${bodySizeRules()}
${corsRules()}
${redirectRules()}
${loginRules()}
${steeringRules()}
  http-request set-timeout server var(txn.section),map_str_int(maps/timeout-server.map) if ${flagged(letters.timeoutServer)}
  http-request set-timeout tunnel var(txn.section),map_str_int(maps/timeout-tunnel.map) if ${flagged(letters.timeoutTunnel)}
${(['append', 'replace', 'if-none'] as const).map((mode) => forwardedRules(settings, mode, flagged(letters.forwarded[mode]))).join('\n')}
${upstreamRules()}
  http-request set-var(txn.original) pathq if ${flagged(letters.mirrors)}
  # The path behind the prefix, taken literally; a target "/" takes the slash after it too.
  http-request set-var-fmt(txn.rest) "%[var(txn.section),map_str(maps/rewrite-prefix.map)] %[path]" if ${flagged(letters.rewrite)}
  http-request set-var(txn.rest) 'var(txn.rest),regsub("^([^ ]*) \\\\1/?","")' if ${flagged(letters.rewriteRoot)}
  http-request set-var(txn.rest) 'var(txn.rest),regsub("^([^ ]*) \\\\1","")' if ${flagged(letters.rewrite)} !${flagged(letters.rewriteRoot)}
  http-request set-path %[var(txn.section),map_str(maps/rewrite-target.map)] if ${flagged(letters.rewriteOnly)}
  http-request set-path %[var(txn.section),map_str(maps/rewrite-target.map)]%[var(txn.rest)] if ${flagged(letters.rewrite)} !${flagged(letters.rewriteOnly)}
${hostRule()}  http-request set-var(txn.mirrors) var(txn.section),map_str(maps/mirrors.map) if ${flagged(letters.mirrors)}
  http-request set-var(txn.deadline) var(txn.section),map_str_int(maps/deadline.map) if ${flagged(letters.deadline)}
  http-request set-var(txn.secure) 'str("; Secure")' if ${flagged(letters.secureOverTls)} { ssl_fc }
${editRules(names, 'request', `if ${flagged(letters.requestEdits)}`)}
  http-response add-header Set-Cookie "%[var(txn.route),field(2,|)]=%[srv_name]; path=/%[var(txn.route),field(3,|),map_str(maps/cookie-attributes.map)]%[var(txn.secure)]" if ${withoutCookie} !${flagged(letters.noCookie)}
${privateRules(`${withoutCookie} !${flagged(letters.noCookie)} `)}
${settings.log === undefined ? '' : logServer}  http-response set-header Strict-Transport-Security %[var(txn.section),map_str(maps/hsts.map)] if ${flagged(letters.hsts)}
${editRules(names, 'response', `if ${flagged(letters.responseEdits)}`)}`;
}

/** Replaces the host that servers see. */
function hostRule(): string {
  return `  http-request set-header Host %[var(txn.section),map_str(maps/rewrite-host.map)] if ${flagged(letters.rewriteHost)}\n`;
}

/**
 * Renders the rules that keep a response which sets a cookie out of shared caches. They mark the responses that
 * HAProxy's own `cookie … insert nocache` marks: those that a cache may store (RFC 9110 §15.1 and RFC 9111 §3) and that
 * state an age or a validator.
 *
 * @param when condition of responses that set a cookie, with a final blank
 */
function privateRules(when: string): string {
  const control = 'res.hdr(cache-control) -i';
  const isStored = '{ var(txn.stored) -m found }';
  const isFresh = `${isStored} !{ ${control} max-age=0 }`;
  // HAProxy reads at most 64 words of a line.
  return `  http-response set-var(txn.stored) bool(true) if ${when}{ method GET HEAD OPTIONS TRACE } { status 200 203 204 206 300 301 404 405 410 414 501 } || ${when}{ ${control} public }
  http-response unset-var(txn.stored) if ${isStored} { ${control} private no-cache no-store s-maxage=0 } || ${isStored} { res.hdr(pragma,1) -i no-cache }
  http-response add-header Cache-Control private if ${isFresh} { res.hdr_names -m reg (^|,)(etag|expires|last-modified)(,|$) } || ${isFresh} { ${control} -m beg max-age } || ${isStored} { ${control} -m beg s-maxage }`;
}

/** Closes connections of clients that are not in the route's allow-list. */
export function allowListRules(rule: 'http-request' | 'tcp-request content'): string {
  const isListed = flagged(letters.allowList);
  return `  ${rule} set-var(txn.list) var(txn.section),map_str(maps/allow.map) if ${isListed}
  ${rule} set-var-fmt(txn.listed) "%[var(txn.list)]/%[var(txn.address),length]:%[var(txn.address)]" if ${isListed}
${rule === 'http-request' ? `  ${rule} deny deny_status 403 if ${flagged(letters.answers)} ${isListed} !{ var(txn.listed),map_beg(${networksMap}) -m found }\n` : ''}  ${rule} reject if ${isListed} !{ var(txn.listed),map_beg(${networksMap}) -m found }`;
}

/** Sets the log's name of the server that answers. */
const logServer = `  http-response set-var-fmt(txn.log_server) "%[be_name]/%[srv_name]"
  http-response set-var(txn.log_server) var(txn.log_server),map_str(maps/log-servers.map)
`;

/**
 * Limits the share of all connections that a backend may use. A header ends loops of HTTP requests; only this limit
 * ends a loop through a passthrough Route whose endpoint leads back to the router.
 */
function connectionLimit({ process, routeConnections }: Settings, mode: 'http' | 'tcp'): string {
  const all = process.maxconn ?? 50_000;
  const limit = routeConnections ?? Math.max(1, Math.floor(mode === 'http' ? all / 2 : all / 10));
  return mode === 'http'
    ? `  http-request deny deny_status 503 if { be_conn gt ${limit} }`
    : `  tcp-request content reject if { be_conn gt ${limit} }`;
}

/**
 * Renders rules that limit all passthrough connections of a tenant to half of the allowed connections. Several Routes
 * that loop through each other would otherwise reach the limit of all together.
 */
export function tenantRules({ process }: Settings): string {
  const limit = Math.max(1, Math.floor((process.maxconn ?? 50_000) / 2));
  return `  tcp-request content track-sc1 var(txn.section),map_str(maps/tenants.map) table tenants if { var(txn.section) -m found }
  tcp-request content reject if { sc1_conn_cur(tenants) gt ${limit} }
`;
}

/**
 * Renders rules that reject requests routed to an earlier use of a spare section. The section's session counter
 * includes accepted requests until they end, and the section is not reused before.
 */
function tenancyRules(rule: 'http-request' | 'tcp-request content', refuse: string): string {
  const spare = '{ var(txn.route) -m beg spare- }';
  return `  ${rule} set-var(txn.tenancy) var(txn.route),field(5,|) if ${spare}
  ${rule} ${refuse} if ${spare} !{ var(txn.route),field(1,|),map_str(maps/tenancies.map),strcmp(txn.tenancy) eq 0 }`;
}

/** Renders the headers that describe the client, for requests that match `condition` or for all. */
function forwardedRules(settings: Settings, mode: ForwardedMode, condition = ''): string {
  if (mode === 'never') return '';
  const host = '%[req.hdr(host)]';
  // A scheme that a trusted client reported is used in both headers.
  const scheme = mode === 'if-none' ? '%[req.hdr(X-Forwarded-Proto)]' : '%[ssl_fc,iif(https,http)]';
  // The header was just set, so it need not be formatted again. With if-none it may contain the client's value.
  const client = mode === 'if-none' ? '%[src]' : '%[req.hdr(X-Forwarded-For)]';
  const forwarded: readonly (readonly [header: string, value: string, only?: string])[] = [
    ['X-Forwarded-For', '%[src]'],
    ['X-Forwarded-Host', host],
    ['X-Forwarded-Port', '%[dst_port]'],
    ['X-Forwarded-Proto', '%[ssl_fc,iif(https,http)]'],
    ['X-Forwarded-Proto-Version', 'h2', '{ fc_http_major 2 }'],
    ...(onlyIpv4(settings)
      ? ([['Forwarded', `for=${client};host=${host};proto=${scheme}`]] as const)
      : ([
          ['Forwarded', `for=${client};host=${host};proto=${scheme}`, '!{ src -m sub : }'],
          ['Forwarded', `'for="[${client}]";host=${host};proto=${scheme}'`, '{ src -m sub : }'],
        ] as const)),
  ];
  // Servers that follow CGI treat "_" as "-".
  const replaced = [
    `  http-request del-header '^x[-_]forwarded[-_](for|host|port|proto|proto[-_]version)$' -m reg if ${`${condition} { req.hdr_names -m sub _ }`.trim()}`,
    `  http-request del-header X-Forwarded-Proto-Version${condition === '' ? '' : ` if ${condition}`}`,
  ];
  const verb = mode === 'append' ? 'add-header' : 'set-header';
  const set = forwarded.map(([header, value, only]) => {
    const missing = mode === 'if-none' ? ` !{ req.hdr(${header}) -m found }` : '';
    const conditions = `${condition}${only === undefined ? '' : ` ${only}`}${missing}`.trim();
    return `  http-request ${verb} ${header} ${value}${conditions === '' ? '' : ` if ${conditions}`}`;
  });
  return [...(mode === 'replace' ? replaced : []), ...set].join('\n');
}

/** Returns whether no client can have an IPv6 address, so that no rule needs to check it. */
function onlyIpv4({ listen }: Settings): boolean {
  return !listen.proxyProtocol && (listen.address?.family ?? (listen.family === 'v4' ? 4 : 6)) === 4;
}

/**
 * Renders the limits of a client at a backend, for routes with the letter. `txn.limits` contains the limits,
 * `txn.client` the client.
 */
export function limitRules(rule: 'http-request' | 'tcp-request content', when: string, mode: 'http' | 'tcp'): string {
  const reached = (counter: string, field: number): string => {
    const isReached = `{ var(txn.limits) -m found } { ${counter}(2,limits),sub(txn.limit${field}) ge 0 }`;
    const answer = `  ${rule} deny deny_status 503 if ${flagged(letters.answers)} ${isReached}\n`;
    return `${mode === 'http' ? answer : ''}  ${rule} reject ${when} ${isReached}`;
  };
  const lines = [
    ...[1, 2, 3].map(
      (field) =>
        `  ${rule} set-var(txn.limit${field}) var(txn.limits),field(${field},|) ${when} { var(txn.limits) -m found }`,
    ),
    // A spare section does not inherit the counters of its previous use.
    `  ${rule} track-sc2 var(txn.client),concat(/,txn.tenancy),digest(md5) table limits ${when} { var(txn.limits) -m found }`,
    reached('sc_conn_cur', 1),
    reached('sc_conn_rate', 2),
  ];
  if (mode === 'http') lines.push(reached('sc_http_req_rate', 3));
  return lines.join('\n');
}

function tcpBackends(settings: Settings): string {
  return `# Passthrough backends.
defaults passthrough from base
  mode tcp
${connectionLimit(settings, 'tcp')}
${tenancyRules('tcp-request content', 'reject')}

defaults tcp from base
  mode tcp

# Passthrough connections of each tenant.
backend tenants from base
  stick-table type string len 64 size 100k store conn_cur

# Clients at backends with limits, by a hash of both.
backend limits from base
  stick-table type binary len 16 size 1m expire 30s store conn_cur,conn_rate(3s),http_req_rate(10s)

${loginTables}`;
}
