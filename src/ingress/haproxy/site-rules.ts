import { flagged, letters } from './letters.ts';
import { mark } from './paths.ts';

/**
 * Rules for features that an ordinary request does not evaluate: they follow `http-request allow` for routes without
 * letters. `txn.section` is the section, `txn.address` the client.
 */

/**
 * Rejects requests whose path means another one with other access rules: servers decode and merge what HAProxy compares as
 * it comes. nginx normalizes before it selects a location, so `//admin` has the rules of `/admin` there. Some servers also
 * drop what follows a semicolon in a segment, or take a backslash for a slash. Without its entry, every request is
 * rejected, and so is a path that cannot be decoded, or that contains the mark, which would end its key early.
 */
export function guardRules(): string {
  const isGuarded = flagged(letters.guard);
  const hasParameters = '{ var(txn.bare) -m found }';
  const denied = [
    '!{ var(txn.norm) -m found }',
    `{ var(txn.norm) -m sub ${mark} \\\\ }`,
    '{ var(txn.norm) -m reg /[.][.]?(;[^/]*)?(/|$) }',
    '{ path -m sub %00 }',
  ];
  return `  http-request set-var(txn.guard) var(txn.section),map_str(maps/guard.map) if ${isGuarded}
  http-request set-var(txn.norm) 'path,url_dec,regsub("//+","/",g)' if ${isGuarded}
  http-request set-var(txn.norm) var(txn.norm),lower if ${isGuarded} { var(txn.guard) -m beg i }
  http-request deny deny_status 403 if ${denied.map((condition) => `${isGuarded} ${condition}`).join(' || ')}
${compareRules('norm', isGuarded)}
  # The same without parameters of segments, for servers that drop them.
  http-request set-var(txn.bare) 'var(txn.norm),regsub(";[^/]*","",g),regsub("//+","/",g)' if ${isGuarded} { var(txn.norm) -m sub ; }
  http-request unset-var(txn.rules) if ${hasParameters}
  http-request unset-var(txn.meant) if ${hasParameters}
${compareRules('bare', hasParameters)}`;
}

/** Renders the comparison of the access rules of a path in a variable with those of the backend. */
function compareRules(path: 'norm' | 'bare', when: string): string {
  return `  # A wildcard serves paths that a host below it does not, but not those that mean one of its paths.
  http-request set-var-fmt(txn.meant) "%[req.hdr(host),field(1,:),rtrim(.)]%[var(txn.${path})]/${mark}" if ${when} { var(txn.guard) -m sub |* }
  http-request set-var(txn.rules) var(txn.meant),map_beg(maps/guarded.map) if ${when} { var(txn.meant) -m found }
  http-request set-var-fmt(txn.meant) "%[var(txn.guard),field(3,|)]%[var(txn.${path})]/${mark}" if ${when} !{ var(txn.rules) -m found }
  http-request set-var(txn.rules) var(txn.meant),map_beg(maps/guarded.map) if ${when} !{ var(txn.rules) -m found }
  http-request deny deny_status 403 if ${when} !{ var(txn.guard),field(2,|),strcmp(txn.rules) eq 0 }`;
}

/** Renders the deny-list. In mode `tcp`, connections of rejected clients are closed. */
export function denyListRules(rule: 'http-request' | 'tcp-request content', networks: string): string {
  const isListed = flagged(letters.denyList);
  const answer = rule === 'http-request' ? 'deny deny_status 403' : 'reject';
  return `  ${rule} set-var(txn.denied) var(txn.section),map_str(maps/deny.map) if ${isListed}
  ${rule} set-var-fmt(txn.denied_key) "%[var(txn.denied)]/%[var(txn.address),length]:%[var(txn.address)]" if ${isListed}
  # Without its list, every client is rejected.
  ${rule} set-var(txn.rejected) bool(true) if ${isListed} !{ var(txn.denied) -m found }
  ${rule} set-var(txn.rejected) bool(true) if ${isListed} { var(txn.denied_key),map_beg(${networks}) -m found }
  ${rule} ${answer} if ${isListed} { var(txn.rejected) -m found }`;
}

/** Renders the limit of the length of a request's body. */
export function bodySizeRules(): string {
  const isLimited = flagged(letters.bodySize);
  return `  http-request set-var(txn.body_size) var(txn.section),map_str_int(maps/body-size.map) if ${isLimited}
  http-request deny deny_status 413 if ${isLimited} { req.hdr_cnt(content-length) gt 0 } { req.hdr_val(content-length),sub(txn.body_size) gt 0 }`;
}

/** Renders the redirects that answer instead of a server. */
export function redirectRules(): string {
  const isRedirect = flagged(letters.answerRedirect);
  const status = Object.entries(letters.redirectStatus).map(
    ([code, letter]) =>
      `  http-request redirect location %[var(txn.base)]%[var(txn.rest)] code ${code} if ${isRedirect} ${flagged(letter)}`,
  );
  return `  http-request set-var(txn.base) var(txn.section),map_str(maps/redirect-base.map) if ${isRedirect}
  http-request set-var-fmt(txn.base) "://%[req.hdr(host)]" if ${isRedirect} !{ var(txn.base) -m found }
  http-request set-var-fmt(txn.base) "%[var(txn.base)]//%[req.hdr(host),field(1,:)]" if ${isRedirect} { var(txn.base) -m end : }
  http-request set-var-fmt(txn.base) "%[ssl_fc,iif(https,http)]%[var(txn.base)]" if ${isRedirect} { var(txn.base) -m beg :// }
  http-request set-var(txn.rest) var(txn.section),map_str(maps/redirect-path.map) if ${isRedirect}
  http-request set-var(txn.rest) pathq if ${isRedirect} !{ var(txn.rest) -m found }
${status.join('\n')}`;
}

/**
 * Renders the rules for cross-origin requests. Preflight requests are answered here. Wildcards for any number of labels
 * are `,ORIGIN,ORIGIN,`, compared with the request's origin by a back reference.
 */
export function corsRules(): string {
  const isCors = flagged(letters.cors);
  const byFetch = flagged(letters.corsByFetch);
  const hasOrigin = `${isCors} { req.fhdr(origin) -m found }`;
  const find = (key: string): string => `var(txn.section),concat(|,${key}),map_str(maps/cors-origins.map)`;
  const field = (number: number): string => `var(txn.cors),field(${number},|)`;
  const isFound = (name: string): string => `{ var(txn.${name}) -m found }`;
  const isSet = (name: string): string => `${isFound(name)} !{ var(txn.${name}) -m len 0 }`;
  const hasCredentials = `{ ${field(4)} -m str true }`;
  const isPreflight = `${byFetch} { method OPTIONS } { req.fhdr(origin) -m found } { req.fhdr(access-control-request-method) -m found }`;
  const isAsked = `${isFound('cors')} !${byFetch} || ${isFound('preflight')}`;
  const echo = (name: string, header: string): string =>
    `  http-request unset-var(txn.${name}) if ${byFetch} { var(txn.${name}) -m str * } ${hasCredentials} !{ req.fhdr(${header}) -m found }
  http-request set-var(txn.${name}) req.fhdr(${header}) if ${byFetch} { var(txn.${name}) -m str * } ${hasCredentials}`;
  return `  http-request set-var(txn.origin) req.fhdr(origin) if ${hasOrigin}
  http-request set-var(txn.origin_key) var(txn.origin),lower if ${hasOrigin}
  http-request set-var(txn.anywhere) str(*) if ${hasOrigin}
  http-request set-var(txn.below) 'var(txn.origin_key),regsub("^(https?://)[^./]*","\\1*")' if ${hasOrigin}
  http-request set-var(txn.allowed) ${find('txn.below')} if ${hasOrigin} !${byFetch}
  http-request set-var(txn.allowed) ${find('txn.origin_key')} if ${hasOrigin}
  http-request set-var(txn.wildcards) var(txn.section),map_str(maps/cors-wildcards.map) if ${hasOrigin} ${byFetch} { var(txn.origin) -m len 1:300 }
  http-request set-var-fmt(txn.wildcards) "%[var(txn.wildcards)] %[var(txn.origin_key)]" if ${isFound('wildcards')}
  http-request set-var(txn.wildcards) 'var(txn.wildcards),regsub("^(?:[^ ]*,)?(https?://)[*]([^, ]*),[^ ]* \\1[a-z0-9._-]+\\2$|^.*$","\\1")' if ${isFound('wildcards')}
  http-request set-var(txn.allowed) var(txn.origin) if ${isSet('wildcards')}
  http-request set-var(txn.allowed) var(txn.origin) if ${isCors} ${isFound('allowed')}
  http-request set-var(txn.allowed) ${find('txn.anywhere')} if ${hasOrigin} !${isFound('allowed')} || ${hasOrigin} !${byFetch}
  http-request set-var(txn.cors) var(txn.section),map_str(maps/cors.map) if ${isCors} ${isFound('allowed')} || ${byFetch}
  http-request set-var(txn.allowed) var(txn.origin) if ${byFetch} { var(txn.allowed) -m str * } ${hasCredentials}
  http-request set-var(txn.preflight) bool(true) if ${isPreflight}
  http-request set-var(txn.cors_methods) ${field(1)} if ${isAsked}
  http-request set-var(txn.cors_headers) ${field(2)} if ${isAsked}
  http-request set-var(txn.cors_age) ${field(3)} if ${isAsked}
${echo('cors_methods', 'access-control-request-method')}
${echo('cors_headers', 'access-control-request-headers')}
  http-request return status 204 if ${isFound('preflight')} || ${isCors} !${byFetch} { method OPTIONS } ${isFound('cors')}

  http-after-response allow if !${isFound('cors')}
  http-after-response add-header Vary Origin if !{ var(txn.allowed) -m str * }
  http-after-response allow if !${isFound('allowed')}
  http-after-response set-header Access-Control-Allow-Origin %[var(txn.allowed)]
  http-after-response set-header Access-Control-Allow-Methods %[var(txn.cors_methods)] if ${isSet('cors_methods')}
  http-after-response set-header Access-Control-Allow-Headers %[var(txn.cors_headers)] if ${isSet('cors_headers')}
  http-after-response set-header Access-Control-Max-Age %[var(txn.cors_age)] if ${isFound('cors_age')}
  http-after-response set-header Access-Control-Allow-Credentials true if ${hasCredentials}
  http-after-response set-var(txn.exposed) ${field(5)}
  http-after-response set-var(txn.exposed) res.hdr_names if ${byFetch} ${hasCredentials} { var(txn.exposed) -m str * }
  http-after-response set-header Access-Control-Expose-Headers %[var(txn.exposed)] if ${isSet('exposed')}`;
}

/** Renders the headers that servers see instead of those of the client. Follows the rules for forwarded headers. */
export function upstreamRules(): string {
  return `  http-request set-header X-Forwarded-Prefix %[var(txn.section),map_str(maps/forwarded-prefix.map)] if ${flagged(letters.forwardedPrefix)}`;
}

/** Renders the choice of a server by a header or cookie. Follows the rules for sticky cookies, and takes precedence. */
export function steeringRules(): string {
  const isSteered = flagged(letters.steering);
  const undecided = `${isSteered} !{ var(txn.side) -m found }`;
  const decided = '{ var(txn.side) -m found }';
  return `  http-request set-var(txn.steering) var(txn.section),map_str(maps/steering.map) if ${isSteered}
  http-request set-var-fmt(txn.headers) " %[req.hdrs]" if ${isSteered}
  http-request set-var-fmt(txn.cookies) " %[req.fhdr(cookie)]" if ${isSteered}
  http-request set-var(txn.asked) 'var(txn.steering),field(2,|),concat(,txn.headers),regsub("^([^ ]+) (?s:(?:.*?\\n)??)\\1: ([^\\r\\n]*)(?s:.*)$|^(?s:.*)$","\\2")' if ${isSteered}
  http-request set-var(txn.wanted_value) var(txn.steering),field(3,|) if ${isSteered}
  http-request set-var(txn.side) str(c) if ${isSteered} { var(txn.asked),strcmp(txn.wanted_value) eq 0 }
  http-request set-var(txn.side) str(o) if ${undecided} { var(txn.wanted_value) -m str always } { var(txn.asked) -m str never }
  http-request set-var(txn.asked) 'var(txn.steering),field(4,|),concat(,txn.cookies),regsub("^([^ ]+) (?:.*; *)?\\1=([^;]*).*$|^.*$","\\2")' if ${isSteered}
  http-request set-var(txn.side) str(c) if ${undecided} { var(txn.asked) -m str always }
  http-request set-var(txn.side) str(o) if ${undecided} { var(txn.asked) -m str never }
  http-request set-var(txn.many) var(txn.steering),field(5,|) if { var(txn.side) -m str c }
  http-request set-var(txn.many) var(txn.steering),field(6,|) if { var(txn.side) -m str o }
  http-request set-var(txn.pick) rand(1000000),mod(txn.many) if ${decided} !{ var(txn.many) -m str 0 }
  http-request set-var-fmt(txn.pick) "%[var(txn.section)]|%[var(txn.side)]%[var(txn.pick)]" if ${decided}
  http-request set-var(txn.server) var(txn.pick),map_str(maps/steered.map) if ${decided}`;
}
