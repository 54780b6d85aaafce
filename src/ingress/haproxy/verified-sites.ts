import { hash } from 'node:crypto';
import { withoutBlanks } from './decision-graph.ts';
import { globalHeaders, hygiene, logNames, setFlags } from './frontend-parts.ts';
import { innerName } from './gateway-names.ts';
import type { MapName } from './maps.ts';
import type { Settings, Site, SiteClients } from './model.ts';
import { closedRoute, mark } from './paths.ts';
import { checkPattern, longestSubject } from './pattern.ts';
import { checkPrefixKey } from './quote.ts';

/**
 * Hosts of the default listener whose clients are verified. The name in the ClientHello leads a connection to the inner
 * frontend with the authorities of the host (`passthrough.map`). Only there the paths of the host can be found: their keys
 * in `verified.map` begin with the name of the frontend. In all other frontends, its only key answers 421, as nginx does
 * for another host than the connection's. The same key names the frontend that may answer for the host, so that a
 * connection ends with the authorities that verified it.
 */

/** Name of the section that answers 421. */
export const misdirectedSection = 'answer_421';

/** Letters of the second part of a host's key after its frontend. */
const letters: Readonly<Record<SiteClients['mode'], string>> = { required: 'r', optional: 'o', untrusted: 'u' };
const passes = 'c';
const compares = 's';

/** Returns the entries of a host whose clients are verified, from those that it would have otherwise. */
export function verifiedEntries(
  { host }: Site,
  { inner, mode, passesCertificate, subject }: SiteClients,
  plain: ReadonlyMap<string, string>,
  secure: ReadonlyMap<string, string>,
): readonly (readonly [MapName, Map<string, string>])[] {
  const whole = `${host}/`;
  if (inner === 0) {
    const closed = new Map([[whole, closedRoute]]);
    return [
      ['plain', closed],
      ['secure', closed],
    ];
  }
  const frontend = innerName(inner);
  const words = `${letters[mode]}${passesCertificate === true ? passes : ''}${subject === undefined ? '' : compares}`;
  // Another pattern has another name, so that a request never meets the pattern of another state.
  const id = subject === undefined ? '' : hash('sha256', `${host} ${subject}`).slice(0, 32);
  return [
    ['plain', new Map(plain)],
    ['secure', new Map([[whole, `${misdirectedSection}|${frontend}|${words}|${id}`]])],
    ['verified', new Map(Array.from(secure, ([key, value]) => [checkPrefixKey(`${frontend}|${key}`), value]))],
    ['subjects', new Map(subject === undefined ? [] : [[subjectKey(id, subject), '1']])],
  ];
}

/** Checks a pattern of subjects. Throws {@link UnfitValue}. */
export function checkSubject(pattern: string): string {
  // Alone first, so that it cannot close the group around it.
  return checkPattern(`.*(?:${checkPattern(pattern)}).*`);
}

/** The name keeps a subject from being compared with the patterns of other hosts. */
function subjectKey(id: string, pattern: string): string {
  return `^${id};(?=.{0,${longestSubject}}$)(?:${withoutBlanks(checkSubject(pattern))})$`;
}

/** The headers about the client, with any mixture of "-" and "_". */
const clientHeaders = '^ssl[-_]client[-_](verify|subject[-_]dn|issuer[-_]dn|cert)$';

/** Errors that mean an unknown issuer, as nginx sees it (OpenSSL, x509_vfy.h). */
const unknownIssuer = '18 19 20 21 27';

/**
 * Returns the rules of a frontend for such hosts. A certificate is valid if OpenSSL reports no error at any depth:
 * the handshake continues in spite of errors, so that clients get an answer.
 */
export function verifiedRules(settings: Settings): string {
  const isMode = (letter: string) => `{ var(txn.mode) -m sub ${letter} }`;
  const isFailed = '{ var(txn.verify) -m beg FAILED }';
  const isUsed = '{ ssl_c_used }';
  const pem = `-----BEGIN%%20CERTIFICATE-----%%0A%[ssl_c_der,base64,regsub("(.{64})(?=.)","\\\\1~",g),url_enc,regsub("~","%0A",g)]%%0A-----END%%20CERTIFICATE-----%%0A`;
  return `${hygiene(settings)}${globalHeaders(settings)}  http-request set-var(txn.host) req.hdr(host),field(1,:),rtrim(.)
  http-request set-var(txn.sni) ssl_fc_sni,lower,rtrim(.)
  http-request return status 421 if !{ var(txn.sni) -m found } || !{ var(txn.host),strcmp(txn.sni) eq 0 }
  http-request set-var-fmt(txn.key) "%[var(txn.host)]/${mark}"
  http-request set-var(txn.own) var(txn.key),map_beg(maps/secure.map)
  http-request set-var(txn.own) 'var(txn.key),regsub("^[^./]*[.]","*."),map_beg(maps/secure.map)' if !{ var(txn.own) -m found }
  http-request set-var(txn.frontend) fe_name
  http-request return status 421 if !{ var(txn.own) -m found } || !{ var(txn.own),field(2,|),strcmp(txn.frontend) eq 0 }
  http-request set-var(txn.mode) var(txn.own),field(3,|)
  http-request set-var(txn.verify) str(NONE)
  http-request set-var-fmt(txn.verify) "FAILED:%[ssl_c_verify]" if ${isUsed}
  http-request set-var(txn.verify) str(SUCCESS) if ${isUsed} { ssl_c_verify 0 } { ssl_c_err 0 } { ssl_c_ca_err 0 }
  http-request deny deny_status 400 if !${isMode(letters.required)} !${isMode(letters.optional)} !${isMode(letters.untrusted)}
  http-request deny deny_status 400 if ${isMode(letters.required)} !{ var(txn.verify) -m str SUCCESS }
  http-request deny deny_status 400 if ${isMode(letters.optional)} ${isFailed}
  http-request deny deny_status 400 if ${isMode(letters.untrusted)} ${isFailed} !{ ssl_c_verify ${unknownIssuer} }
  http-request set-var-fmt(txn.subject) "%[var(txn.own),field(4,|)];%[ssl_c_s_dn(,0,rfc2253)]" if ${isMode(compares)}
  http-request deny deny_status 403 if ${isMode(compares)} !{ var(txn.subject),map_reg(maps/subjects.map) -m found }
  http-request del-header ${clientHeaders} -m reg
  http-request set-header ssl-client-verify %[var(txn.verify)]
  http-request set-header ssl-client-subject-dn %[ssl_c_s_dn(,0,rfc2253)] if ${isUsed}
  http-request set-header ssl-client-issuer-dn %[ssl_c_i_dn(,0,rfc2253)] if ${isUsed}
  http-request set-header ssl-client-cert '${pem}' if ${isUsed} ${isMode(passes)}
  http-request set-var-fmt(txn.key) "%[fe_name]|%[var(txn.host)]%[path]/${mark}"
  http-request set-var(txn.route) var(txn.key),map_beg(maps/verified.map)
  http-request set-var(txn.key2) 'var(txn.key),regsub("^([^|]*)[|][^./]*[.]","\\1|*.")' if !{ var(txn.route) -m len gt 1 }
  http-request set-var(txn.route) var(txn.key2),map_beg(maps/verified.map) if { var(txn.key2) -m found }
${setFlags}
${logNames(settings)}  use_backend %[var(txn.route),field(1,|)]
  default_backend openshift_default
`;
}
