import { clientCertificates, clientTlsWords } from './client-tls.ts';
import { allowListRules, limitRules, tenantRules } from './common.ts';
import { globalHeaders, hygiene, type Loopback, logLines, logNames } from './frontend-parts.ts';
import { nameRules, placeRules, routeRules, sniRules } from './gateway-lookup.ts';
import {
  type InnerKind,
  innerFiles,
  innerKind,
  innerName,
  innerNumbers,
  innerPrefix,
  isClientKind,
  ownInner,
} from './gateway-names.ts';
import { flagged, letters } from './letters.ts';
import type { GatewaySettings, Settings } from './model.ts';
import { networksMap } from './networks.ts';
import { ceded, mark } from './paths.ts';
import { redirectSection } from './redirects.ts';
import { answerSection } from './rule.ts';
import { milliseconds } from './section.ts';
import { denyListRules } from './site-rules.ts';
import { misdirectedSection, verifiedRules } from './verified-sites.ts';

/**
 * Renders the frontends of all listeners except the default one. The kernel redirects connections to spare ports
 * of HAProxy, so that a new listener needs no reload; rules in the kernel reject all other connections to them.
 */
export function renderGatewayFrontends(settings: Settings, loopback: Loopback): readonly string[] {
  const { gateways } = settings;
  if (gateways === undefined) return [];
  return [
    httpDefaults(settings, gateways),
    plainFrontend(settings, gateways),
    tlsFrontend(settings, gateways),
    ...innerNumbers(gateways).map((number) => innerFrontend(number, innerKind(gateways, number), settings, loopback)),
    ...answers(),
  ];
}

/**
 * Renders the rules of a frontend that Routes share with listeners on the addresses of the node: they apply only if
 * no Route has the host or the names one label below its domain, even if its paths do not match. A site for every host
 * comes last.
 */
export function sharedRules(settings: Settings, frontend: 'public' | 'fe_sni' | 'fe_no_sni'): string {
  if (settings.gateways === undefined) return logNames(settings);
  const map = frontend === 'public' ? 'plain' : 'secure';
  return `
  # No Route: a listener of a Gateway.
${logNames(settings)}  http-request allow if { var(txn.route) -m found } !{ var(txn.route) -m str ${ceded} }
${ownPlace(settings, map)}${frontend === 'fe_sni' ? sniRules(settings) : routeRules(settings, { shared: map })}`;
}

/** Returns rules for the place of the router's own port. */
function ownPlace({ listen }: Settings, map: 'plain' | 'secure'): string {
  const port = map === 'plain' ? listen.httpPort : listen.httpsPort;
  return `  http-request set-var(txn.port) int(${port})
  http-request set-var(txn.place) str(${port}@*)
`;
}

/** Sends connections for names of listeners to the inner frontend with their certificates. */
export function useOwnInner({ gateways }: Settings): string {
  return gateways === undefined ? '' : `  use_backend ${innerName(ownInner)} if { var(txn.route) -m str -- - }\n`;
}

/**
 * Renders the same rules for names in a ClientHello. A TLSRoute that names a host has claimed it; below a wildcard or the
 * hostname of a listener, hosts of Routes and of their wildcards stay with the Routes.
 */
export function sharedNames({ gateways, listen }: Settings): string {
  if (gateways === undefined) return '';
  const rule = 'tcp-request content';
  const named = '{ var(txn.site) -m found }';
  const yields = `{ var(txn.passed) -m found } { var(txn.site) -m sub |* } || { var(txn.passed) -m len 1 } || { var(txn.passed) -m beg ${innerPrefix} }`;
  const isOpen = `!{ var(txn.route) -m found } || { var(txn.route) -m str ${ceded} }`;
  return `  ${rule} set-var-fmt(txn.site) "${listen.httpsPort}@*|%[var(txn.sni)]" if ${isOpen}
  ${rule} unset-var(txn.site) if !{ var(txn.sni) -m found }
${nameRules(rule, { key: 'site', result: 'passed', map: 'tls-names', when: named })}  ${rule} set-var(txn.own) var(txn.sni),concat(/${mark}),map_beg(maps/secure.map) if ${yields}
  ${rule} set-var(txn.asked) 'var(txn.sni),regsub("^[^.]*","*"),concat(/${mark})' if ${yields}
  ${rule} set-var(txn.own) var(txn.asked),map_beg(maps/secure.map) if { var(txn.asked) -m found } !{ var(txn.own) -m found }
  ${rule} unset-var(txn.passed) if { var(txn.own) -m found } !{ var(txn.own) -m str ${ceded} }
  ${rule} reject if { var(txn.passed) -m str ! }
  ${rule} set-var(txn.route) var(txn.passed) if { var(txn.passed) -m found }
`;
}

/** Renders the sections that answer without a server. */
function answers(): readonly string[] {
  const statuses = [404, 500, 503] as const;
  const misdirected = `backend ${misdirectedSection} from base\n  http-request return status 421\n`;
  return [
    ...statuses.map(
      (status) => `backend ${answerSection(status)} from base\n  http-request deny deny_status ${status}\n`,
    ),
    misdirected,
    redirectSection,
    'backend answer_close from tcp\n  tcp-request content reject\n',
  ];
}

/** Renders the rules of all HTTP frontends once. Captures of the log belong to the frontends: HAProxy rejects them here. */
function httpDefaults(settings: Settings, { ports }: GatewaySettings): string {
  return `# Requests for listeners that are not the default one: place, name, path, conditions.
defaults gateways from base
${hygiene(settings, { keepsHost: true })}
${clientCertificates(settings, { isMixed: true })}${globalHeaders(settings)}${placeRules('http-request', ports)}${routeRules(settings)}`;
}

const useRoute = `  use_backend %[var(txn.route),field(1,|)]
  default_backend ${answerSection(404)}
`;

function plainFrontend(settings: Settings, { ports }: GatewaySettings): string {
  return `frontend gateways from gateways
${allAddresses(settings, ports.http)}${logLines(settings.log, 'http')}${useRoute}`;
}

function tlsFrontend(settings: Settings, { ports }: GatewaySettings): string {
  const hello = '{ req.ssl_hello_type 1 }';
  const rule = 'tcp-request content';
  const named = '{ var(txn.site) -m found }';
  return `frontend gateways_ssl from tcp
${allAddresses(settings, ports.tls)}${logLines(settings.log, 'tcp')}  tcp-request inspect-delay ${milliseconds(settings.timeouts.inspect)}
${placeRules(rule, ports)}  ${rule} set-var(txn.sni) req.ssl_sni,lower,rtrim(.) if ${hello}
  ${rule} set-var-fmt(txn.site) "%[var(txn.place)]|%[var(txn.sni)]" if ${hello}
${nameRules(rule, { key: 'site', result: 'route', map: 'tls-names', when: named })}  ${rule} set-var(txn.inner) var(txn.place),map_str(maps/inner.map)
  ${rule} unset-var(txn.inner) if { var(txn.route) -m str ! }
${passRules(settings)}  ${rule} accept if ${hello}
  use_backend %[var(txn.section)] if { var(txn.section) -m found }
  use_backend %[var(txn.inner)] if { var(txn.inner) -m found }
  default_backend answer_close
`;
}

/** Returns rules for connections of passthrough backends, which have their route in `txn.route`. */
export function passRules(settings: Settings): string {
  return `  tcp-request content set-var(txn.section) var(txn.route),field(1,|) if { var(txn.route) -m len gt 1 }
${tenantRules(settings)}  tcp-request content set-var(txn.flags) var(txn.route),field(4,|) if { var(txn.route) -m sub |! }
  tcp-request content set-var(txn.tenancy) var(txn.route),field(5,|) if { var(txn.flags) -m found }
  tcp-request content set-var(txn.address) 'src,hex,regsub("^0{20}FFFF","")' if { var(txn.flags) -m found }
  tcp-request content set-var-fmt(txn.client) "%[var(txn.section)]/%[var(txn.address),length]:%[var(txn.address)]" if { var(txn.flags) -m found }
${denyListRules('tcp-request content', networksMap)}
${allowListRules('tcp-request content')}
  tcp-request content set-var(txn.limits) var(txn.section),map_str(maps/limits.map) if ${flagged(letters.limits)}
${limitRules('tcp-request content', 'if', 'tcp')}
`;
}

/** Returns the rules of the inner frontend of the router's own port. A load balancer in front may name another port. */
function ownRules(settings: Settings): string {
  return `${hygiene(settings, { keepsHost: true })}
${clientCertificates(settings)}${globalHeaders(settings)}${ownPlace(settings, 'secure')}${routeRules(settings, { isOwnTls: true })}`;
}

/** Verification of client certificates by kind of frontend. */
const verification: Readonly<Record<InnerKind, string>> = {
  http: '',
  tcp: '',
  required: 'verify required',
  optional: 'verify optional crt-ignore-err all ca-ignore-err all',
  // Its rules answer clients without a valid certificate.
  site: 'verify optional crt-ignore-err all ca-ignore-err all',
};

/**
 * TLS of one place. HAProxy's cache of sessions, which all frontends share, is off: a session resumes without any
 * verification of the client. Tickets are valid only for the frontend that issued them. A frontend that verifies
 * clients issues none, because its authorities change.
 */
function innerFrontend(number: number, kind: InnerKind, settings: Settings, loopback: Loopback): string {
  const name = innerName(number);
  const { list, certificate, authorities } = innerFiles(number);
  const isVerifying = isClientKind(kind);
  const words = [
    `bind ${loopback.bind(name)} ssl crt ${certificate} crt-list ${list}`,
    ...(kind === 'tcp' ? [] : [`alpn ${settings.gateways?.http1Only === true ? 'http/1.1' : 'h2,http/1.1'}`]),
    ...(isVerifying ? [`no-tls-tickets ca-file ${authorities} ${verification[kind]}`] : []),
    'accept-proxy',
    ...(isVerifying ? [] : clientTlsWords(settings)),
  ];
  const isOwn = number === ownInner;
  const base = kind === 'tcp' ? 'tcp' : isOwn || kind === 'site' ? 'base' : 'gateways';
  return `frontend ${name} from ${base}
  ${words.join(' ')}
${logLines(settings.log, kind === 'tcp' ? 'tcp' : 'http')}${isVerifying ? sameClients : ''}${isOwn ? ownRules(settings) : ''}${kind === 'site' ? verifiedRules(settings) : kind === 'tcp' ? endedRules(settings) : useRoute}
backend ${name} from tcp
  server ${name} ${loopback.connect(name)} send-proxy-v2
`;
}

/** Closes connections whose client was verified by other authorities than the present ones. */
const sameClients = `  tcp-request connection set-var(sess.clients) fe_name,map_str(maps/clients.map)
  tcp-request content set-var(txn.clients) fe_name,map_str(maps/clients.map)
  tcp-request content reject if !{ var(sess.clients) -m found } || !{ var(txn.clients) -m found } || !{ var(sess.clients),strcmp(txn.clients) eq 0 }
`;

/** Returns rules for connections whose TLS the frontend has terminated. */
function endedRules(settings: Settings): string {
  const rule = 'tcp-request content';
  const { gateways } = settings;
  if (gateways === undefined) return '';
  return `${placeRules(rule, gateways.ports)}  ${rule} set-var(txn.sni) ssl_fc_sni,lower,rtrim(.)
  ${rule} set-var-fmt(txn.site) "%[var(txn.place)]|%[var(txn.sni)]"
${nameRules(rule, { key: 'site', result: 'route', map: 'ended-names' })}${passRules(settings)}  use_backend %[var(txn.section)] if { var(txn.section) -m found }
  default_backend answer_close
`;
}

function allAddresses({ listen }: Settings, { from, to }: GatewaySettings['ports']['http']): string {
  const proxy = listen.proxyProtocol ? ' accept-proxy' : '';
  const range = `${from}-${to}`;
  const lines = {
    v4: [`0.0.0.0:${range}`],
    v6: [`[::]:${range} v6only`],
    v4v6: [`0.0.0.0:${range}`, `[::]:${range} v6only`],
  };
  return lines[listen.family].map((line) => `  bind ${line}${proxy}\n`).join('');
}
