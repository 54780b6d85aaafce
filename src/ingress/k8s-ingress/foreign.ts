import { parseDuration } from '../../base/read/duration.ts';
import { decidesAccess, nginxPrefix } from './annotation-reader.ts';
import type { Finding } from './settings.ts';

/** Annotations of ingress-nginx with their values, without prefix. */
export type Equivalent = Readonly<Record<string, string>>;

/** Returns the equivalent of a value, or undefined if there is none. */
type Convert = (value: string) => Equivalent | undefined;

const same =
  (name: string): Convert =>
  (value) => ({ [name]: value });
const isTrue =
  (equivalent: Equivalent): Convert =>
  (value) =>
    value === 'true' ? equivalent : {};
const seconds = (name: string): Convert => {
  return (value) => {
    const time = parseDuration(value);
    return time === undefined ? undefined : { [name]: `${Math.max(1, Math.ceil(time / 1000))}` };
  };
};
const choice = (name: string, words: Readonly<Record<string, string>>): Convert => {
  return (value) => {
    const word = Object.hasOwn(words, value) ? words[value] : undefined;
    return word === undefined ? undefined : { [name]: word };
  };
};
const nothing: Convert = () => ({});

const balances = { roundrobin: 'round_robin', leastconn: 'least_conn', source: 'ip_hash' };
const lists = { allow: same('whitelist-source-range'), deny: same('denylist-source-range') };

/** Equivalents of annotations that both HAProxy controllers have. */
const common: Readonly<Record<string, Convert>> = {
  'auth-realm': same('auth-realm'),
  'auth-secret': same('auth-secret'),
  'cors-allow-credentials': same('cors-allow-credentials'),
  'cors-allow-headers': same('cors-allow-headers'),
  'cors-allow-methods': same('cors-allow-methods'),
  'cors-allow-origin': same('cors-allow-origin'),
  'cors-enable': same('enable-cors'),
  'cors-expose-headers': same('cors-expose-headers'),
  'ssl-passthrough': same('ssl-passthrough'),
  'timeout-server': seconds('proxy-read-timeout'),
  'timeout-connect': seconds('proxy-connect-timeout'),
};

/** Annotations of HAProxy Technologies' controller. */
const haproxyOrg: Readonly<Record<string, Convert>> = {
  ...common,
  'allow-list': lists.allow,
  'auth-type': (value) => ({ 'auth-type': value === 'basic-auth' ? 'basic' : value }),
  // The Secret has a key for each name there.
  'auth-secret': (value) => ({ 'auth-secret': value, 'auth-secret-type': 'auth-map' }),
  'backend-config-snippet': same('configuration-snippet'),
  blacklist: lists.deny,
  check: nothing,
  'cookie-persistence': (value) => ({ affinity: 'cookie', 'session-cookie-name': value }),
  'cors-max-age': seconds('cors-max-age'),
  'deny-list': lists.deny,
  'forwarded-for': isTrue({}),
  'load-balance': choice('load-balance', balances),
  'path-rewrite': (value) => (value.startsWith('/') && !/\s/.test(value) ? { 'rewrite-target': value } : undefined),
  'rate-limit-requests': same('limit-rps'),
  'rate-limit-period': (value) => (parseDuration(value) === 1000 ? {} : undefined),
  'request-redirect': (value) => ({ 'temporal-redirect': `https://${value.replace(/^https?:\/\//, '')}$request_uri` }),
  'request-redirect-code': same('temporal-redirect-code'),
  'scale-server-slots': nothing,
  'server-ssl': isTrue({ 'backend-protocol': 'HTTPS' }),
  'server-proto': choice('backend-protocol', { h1: 'HTTP', h2: 'GRPC' }),
  'server-ca': () => ({ 'backend-protocol': 'HTTPS', 'proxy-ssl-verify': 'on' }),
  'set-host': same('upstream-vhost'),
  'ssl-redirect': (value) => (value === 'true' ? { 'force-ssl-redirect': 'true' } : { 'ssl-redirect': 'false' }),
  'standalone-backend': nothing,
  'timeout-check': nothing,
  whitelist: lists.allow,
};

/** Annotations of the HAProxy Ingress controller of jcmoraisjr. */
const haproxyIngress: Readonly<Record<string, Convert>> = {
  ...common,
  // The Secret alone demands basic authentication there.
  'auth-secret': (value) => ({ 'auth-type': 'basic', 'auth-secret': value }),
  affinity: same('affinity'),
  'allowlist-source-range': lists.allow,
  'app-root': same('app-root'),
  'auth-method': same('auth-method'),
  'auth-signin': same('auth-signin'),
  'auth-tls-secret': same('auth-tls-secret'),
  'auth-tls-verify-client': same('auth-tls-verify-client'),
  'auth-type': same('auth-type'),
  'auth-url': same('auth-url'),
  'backend-protocol': choice('backend-protocol', {
    h1: 'HTTP',
    h2: 'GRPC',
    grpc: 'GRPC',
    'h1-ssl': 'HTTPS',
    'h2-ssl': 'GRPCS',
    grpcs: 'GRPCS',
  }),
  'balance-algorithm': choice('load-balance', balances),
  'config-backend': same('configuration-snippet'),
  'cors-max-age': same('cors-max-age'),
  'denylist-source-range': lists.deny,
  'limit-connections': same('limit-connections'),
  'limit-rps': same('limit-rps'),
  'limit-whitelist': same('limit-whitelist'),
  oauth: () => ({ 'auth-url': 'https://oauth2-proxy/oauth2/auth' }),
  'proxy-body-size': same('proxy-body-size'),
  'redirect-to': same('temporal-redirect'),
  'redirect-to-code': same('temporal-redirect-code'),
  'secure-backends': isTrue({ 'backend-protocol': 'HTTPS' }),
  'secure-verify-ca-secret': () => ({ 'backend-protocol': 'HTTPS', 'proxy-ssl-verify': 'on' }),
  'server-alias': same('server-alias'),
  'session-cookie-name': same('session-cookie-name'),
  'ssl-redirect': same('ssl-redirect'),
  waf: () => ({ 'enable-modsecurity': 'true' }),
  'whitelist-source-range': lists.allow,
};

/** Annotations of other controllers, by prefix. */
const prefixes: ReadonlyMap<string, Readonly<Record<string, Convert>>> = new Map([
  ['haproxy.org/', haproxyOrg],
  ['haproxy-ingress.github.io/', haproxyIngress],
  ['ingress.kubernetes.io/', haproxyIngress],
  ['alb.ingress.kubernetes.io/', {}],
  ['konghq.com/', {}],
  ['traefik.ingress.kubernetes.io/', {}],
]);

/** An annotation of another controller. */
export interface ForeignAnnotation {
  readonly key: string;
  readonly prefix: string;
  readonly name: string;
  readonly value: string;
  /** The replacement: empty if none is needed. Absent: there is no equivalent. */
  readonly equivalent?: Equivalent;
}

/** Returns whether an annotation belongs to a controller other than ingress-nginx. */
export function isForeign(key: string): boolean {
  for (const prefix of prefixes.keys()) if (key.startsWith(prefix)) return true;
  return false;
}

/** Returns the annotations of controllers other than ingress-nginx. */
export function listForeign(written: Readonly<Record<string, string>>): readonly ForeignAnnotation[] {
  return Object.entries(written).flatMap(([key, value]): ForeignAnnotation[] => {
    for (const [prefix, names] of prefixes) {
      if (!key.startsWith(prefix)) continue;
      const name = key.slice(prefix.length);
      const equivalent = Object.hasOwn(names, name) ? names[name]?.(value.trim()) : undefined;
      return [{ key, prefix, name, value, ...(equivalent !== undefined && { equivalent }) }];
    }
    return [];
  });
}

/** Returns the text of an equivalent, for messages. */
export function describeEquivalent(equivalent: Equivalent): string {
  return Object.entries(equivalent)
    .map(([name, value]) => `${nginxPrefix}${name}: ${JSON.stringify(value.slice(0, 120))}`)
    .join(' and ');
}

/** Annotation names of other controllers that restrict access. */
const restricts =
  /(?:allow|deny|white|black)-?list|auth|client-ca|config-(?:backend|frontend)|inbound-cidrs|jwt|^methods$|middlewares|plugins|security-groups|snippet|tls\.options|waf/;

/** Returns findings about annotations of other controllers: none is honored, and access rules close all paths. */
export function judgeForeign(written: Readonly<Record<string, string>>): readonly Finding[] {
  return listForeign(written).map(({ key, name, value, equivalent }): Finding => {
    const isAccess = decidesAccess.test(name) || restricts.test(name);
    const hasEquivalent = equivalent !== undefined && Object.keys(equivalent).length > 0;
    return {
      subject: key,
      value: JSON.stringify(value.slice(0, 60)),
      outcome: isAccess ? 'closed' : 'ignored',
      message: isAccess
        ? 'is an access rule of another controller, which this router does not read'
        : 'belongs to another controller',
      ...(hasEquivalent && { suggestion: `write ${describeEquivalent(equivalent)}` }),
    };
  });
}
