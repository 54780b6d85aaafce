import { longestChain, longestValue } from './decision-graph.ts';
import { logNames, lookUpEvery, setFlags } from './frontend-parts.ts';
import { innerPrefix } from './gateway-names.ts';
import type { GatewaySettings, Settings } from './model.ts';
import { ceded, mark } from './paths.ts';
import { answerSection } from './rule.ts';

/**
 * Rules that find the route of a request on any listener except the default one: place, name, path, conditions.
 * A route without conditions ends the evaluation after four lookups.
 */

/** Maximum number of labels that a wildcard covers. A listener without hostname covers any number. */
export const deepestWildcard = 8;

const known = '{ var(txn.listener) -m found }';

/** Returns rules that set `txn.place` from the address and port that the client connected to. */
export function placeRules(
  rule: 'http-request' | 'tcp-request content',
  { http, tls }: GatewaySettings['ports'],
): string {
  const isReserved = `{ dst_port ${http.from}:${tls.to} }`;
  // REDIRECT and DNAT of IPv4 keep the original port; for IPv6, the port of HAProxy stands for it.
  return `  ${rule} set-var(txn.port) dst_port
  ${rule} set-var(txn.port) dst_port,map_str(maps/ports.map,-) if ${isReserved}
${rule === 'http-request' ? `  # For the headers that describe the connection.\n  http-request set-dst-port var(txn.port) if ${isReserved}\n` : ''}  ${rule} set-var-fmt(txn.at) "%[var(txn.port)]@%[dst]"
  ${rule} set-var(txn.place) var(txn.at),map_str(maps/places.map)
  ${rule} set-var-fmt(txn.at) "%[var(txn.port)]@*" if !{ var(txn.place) -m found }
  ${rule} set-var(txn.place) var(txn.at),map_str(maps/places.map) if !{ var(txn.place) -m found }
`;
}

/**
 * Returns rules that look up `PLACE|HOST` and then its wildcards, from the longest to `*`. The last one that was
 * looked up remains in the variable `key`.
 */
export function nameRules(
  rule: 'http-request' | 'tcp-request content',
  {
    key,
    result,
    map,
    when = '',
  }: { readonly key: string; readonly result: string; readonly map: string; readonly when?: string },
): string {
  const lookUp = `set-var(txn.${result}) var(txn.${key}),map_str(maps/${map}.map)`;
  const missing = `${when === '' ? '' : `${when} `}!{ var(txn.${result}) -m found }`;
  const step = (pattern: string, wildcard: string): string =>
    `  ${rule} set-var(txn.${key}) 'var(txn.${key}),regsub("${pattern}","${wildcard}")' if ${missing}\n  ${rule} ${lookUp} if ${missing}\n`;
  const first = `  ${rule} ${lookUp}${when === '' ? '' : ` if ${when}`}\n`;
  const up = step('[|]([*][.])?[^.|]*[.]', '|*.');
  return `${first}${up.repeat(deepestWildcard)}${step('[|].*', '|*')}`;
}

/**
 * Returns rules that set `txn.route` of a request whose `txn.place` is set, and end the evaluation.
 *
 * @param shared map of the Routes in the same frontend, which answers requests for hosts without a listener
 * @param isOwnTls whether Routes have the same port, and the server name has led the connection here
 */
export function routeRules(
  settings: Settings,
  { shared, isOwnTls = false }: { readonly shared?: 'plain' | 'secure'; readonly isOwnTls?: boolean } = {},
): string {
  const isState = '{ var(txn.route) -m beg ? ~ }';
  const final = `${setFlags}
${logNames(settings, `!${isState} `)}  http-request allow if !${isState}
`;
  const steps = `${stepRules}${final}`.repeat(longestChain + 1);
  // Until there is a route, the log names the section that answers without one.
  return `${shared === undefined ? logNames(settings) : ''}${listenerRules}${shared === undefined ? '' : sharedRules(settings, shared)}${verified}${misdirected}${isOwnTls ? misdirectedToRoute : ''}  http-request set-var-fmt(txn.key) "%[var(txn.site)]%[path]/${mark}"
  http-request set-var(txn.route) str(${answerSection(404)})
  http-request set-var(txn.route) var(txn.key),map_beg(maps/sites.map,${answerSection(404)}) if ${known}
${final}
  # Conditions: "?KIND/ID/NAME" is a state, which inspects one dimension of the request.
  http-request set-var-fmt(txn.headers) " :m: %[method]\\n:p: %[path]\\n%[req.hdrs]"
  http-request set-var(txn.query) query
${steps}  http-request deny deny_status 500
`;
}

/** Finds the listener that owns the host. */
const listenerRules = `  http-request set-var(txn.name) req.hdr(host),lower,field(1,:),rtrim(.)
  http-request set-var-fmt(txn.site) "%[var(txn.place)]|%[var(txn.name)]"
${nameRules('http-request', { key: 'site', result: 'listener', map: 'names' })}`;

/**
 * Returns rules for connections that a server name has led to the Routes: a site for every host may answer, and 421 tells
 * clients of a listener's host that they need another connection.
 */
export function sniRules(settings: Settings): string {
  return `${listenerRules}  http-request return status 421 if ${known}
${lookUpEvery('secure')}${setFlags}
${logNames(settings)}`;
}

/** Returns requests for other hosts to the frontend, and restores the Host header. */
function sharedRules(settings: Settings, map: 'plain' | 'secure'): string {
  return `${lookUpEvery(map, `!${known} `)}${setFlags} !${known}
${logNames(settings, `!${known} `)}  http-request allow if !${known}
  http-request set-header Host %[var(txn.cased)] if { var(txn.cased) -m found }
`;
}

/** Answers 421 unless the frontend that verifies the client certificates of the host's listener received the request. */
const verified = `  http-request set-var(txn.frontend) fe_name if { var(txn.listener) -m beg ${innerPrefix} }
  http-request return status 421 if { var(txn.frontend) -m found } !{ var(txn.listener),field(1,/),strcmp(txn.frontend) eq 0 }
`;

/** Answers 421 unless the host belongs to the same listener as the TLS server name. */
const misdirected = `  http-request set-var(txn.sni) ssl_fc_sni,lower,rtrim(.) if { ssl_fc_has_sni }
  http-request set-var-fmt(txn.other) "%[var(txn.place)]|%[var(txn.sni)]" if { var(txn.sni) -m found } !{ var(txn.sni),strcmp(txn.name) eq 0 }
${nameRules('http-request', { key: 'other', result: 'owner', map: 'names', when: '{ var(txn.other) -m found }' })}  http-request return status 421 if { var(txn.other) -m found } ${known} !{ var(txn.owner),strcmp(txn.listener) eq 0 }
  # A connection stays with its listener, also when another one takes over the name or the authorities of clients.
  http-request set-var(sess.listener) var(txn.listener) if { var(txn.sni) -m found } !{ var(sess.listener) -m found }
  http-request return status 421 if { var(sess.listener) -m found } ${known} !{ var(sess.listener),strcmp(txn.listener) eq 0 }
`;

/** Answers 421 for hosts of Routes: with a wildcard certificate, a browser may use the connection for them, too. */
const misdirectedToRoute = `  http-request set-var(txn.own) var(txn.name),concat(/${mark}),map_beg(maps/secure.map) if { var(txn.other) -m found }
  http-request set-var(txn.own) 'var(txn.name),regsub("^[^.]*","*"),concat(/${mark}),map_beg(maps/secure.map)' if { var(txn.other) -m found } !{ var(txn.own) -m found }
  http-request return status 421 if { var(txn.other) -m found } { var(txn.own) -m found } !{ var(txn.own) -m str ${ceded} }
`;

/** Maximum length of a compared value in bytes. A longer one matches no exact condition. */
const cut = `bytes(0,${longestValue + 1})`;

/** Whether the route is a state of one of these kinds. */
function when(...kinds: readonly string[]): string {
  return `if { var(txn.route) -m beg ${kinds.join(' ')} }`;
}

/**
 * Looks up the successor for the value of the dimension, otherwise the one for every other value. Every rule with a
 * condition costs about 0.1 µs, so the look-up of exact values has none: it finds nothing for a state that compares with patterns.
 */
const stepRules = `  http-request set-var(txn.value) 'var(txn.route),field(3,/),concat(,txn.headers),regsub("^([^ ]+) (?:[^\\\\n]*\\\\n)*?\\\\1: ([^\\\\r\\\\n]*)(?s:.*)$|^(?s:.*)$","\\\\2"),${cut}' ${when('?h', '~h')}
  http-request set-var(txn.value) 'var(txn.route),field(3,/),concat(&,txn.query),regsub("^([^&]+)(?:&[^&]*)*?&\\\\1=([^&]*)(?:&.*)?$|^.*$","\\\\2"),url_dec(1),${cut}' ${when('?q', '~q')}
  http-request set-var(txn.value) rand(100) ${when('?r')}
  http-request set-var(txn.code) var(txn.value),url_enc
  http-request set-var(txn.next) 'var(txn.route),concat(=,txn.code),map_str(maps/edges.map,-)'
  http-request set-var(txn.next) 'var(txn.route),field(2,/),concat(;,txn.value),map_reg(maps/patterns.map,-)' ${when('~')}
  http-request set-var(txn.next) 'var(txn.route),concat(!),map_str(maps/edges.map)' if { var(txn.next) -m str -- - }
  http-request set-var(txn.route) var(txn.next)
`;
