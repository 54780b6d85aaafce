import type { CorsRules } from '../intent/match.ts';
import { collectNetworks } from '../route/allow-list.ts';
import type { IngressAnnotations } from './annotation-reader.ts';
import { readClients } from './client-annotations.ts';
import { readLogin } from './login-annotations.ts';
import type { IngressSettings } from './settings.ts';

type Access = Pick<IngressSettings, 'allowed' | 'denied' | 'login' | 'clients' | 'limits' | 'cors'>;

/** Reads the annotations that restrict and limit the clients of an Ingress in a namespace. */
export function readAccess(annotations: IngressAnnotations, namespace: string): Access {
  const allowed =
    readNetworks(annotations, 'allowlist-source-range') ?? readNetworks(annotations, 'whitelist-source-range');
  const denied = readNetworks(annotations, 'denylist-source-range');
  const login = readLogin(annotations, namespace);
  const clients = readClients(annotations, namespace);
  readAuthentication(annotations);
  readUnsupported(annotations);
  const cors = readCors(annotations);
  return {
    ...(allowed !== undefined && { allowed }),
    ...(denied !== undefined && { denied }),
    ...(login !== undefined && { login }),
    ...(clients !== undefined && { clients }),
    limits: readLimits(annotations),
    ...(cors !== undefined && { cors }),
  };
}

/** ingress-nginx answers 503 for a list with an invalid entry. */
function readNetworks(annotations: IngressAnnotations, name: string): readonly string[] | undefined {
  const text = annotations.text(name);
  if (text === undefined) return undefined;
  const { networks, wrong } = collectNetworks(text, 'commas');
  if (wrong.length > 0) {
    const words = wrong.map((word) => word.slice(0, 48)).join(' ');
    annotations.note(name, 'closed', `must be addresses and CIDRs separated by commas, not ${words}`);
  } else if (networks.length === 0) {
    annotations.note(name, 'closed', 'must contain an address or CIDR', 'remove the annotation to admit every client');
  }
  return networks;
}

function readAuthentication(annotations: IngressAnnotations): void {
  const external = 'put an authenticating proxy, such as oauth2-proxy, in front of the Service';
  annotations.refuse('auth-url', 'closed', 'authentication by an external service is not supported', external);
  for (const name of [
    'auth-signin',
    'auth-snippet',
    'auth-method',
    'auth-request-redirect',
    'auth-proxy-set-headers',
  ]) {
    annotations.refuse(name, 'closed', 'authentication by an external service is not supported', external);
  }
  for (const name of ['auth-response-headers', 'auth-cache-key', 'auth-cache-duration', 'auth-signin-redirect-param']) {
    annotations.refuse(name, 'ignored', 'has no effect without auth-url');
  }
  for (const name of [
    'auth-keepalive',
    'auth-keepalive-requests',
    'auth-keepalive-timeout',
    'auth-always-set-cookie',
  ]) {
    annotations.refuse(name, 'ignored', 'has no effect without auth-url');
  }
  if (annotations.flag('enable-global-auth') === false) {
    annotations.note('enable-global-auth', 'ignored', 'this router has no global authentication');
  }
}

/** Records functions that may restrict access and that this router lacks. */
function readUnsupported(annotations: IngressAnnotations): void {
  for (const name of ['configuration-snippet', 'server-snippet', 'stream-snippet', 'modsecurity-snippet']) {
    annotations.refuse(
      name,
      'closed',
      'nginx configuration is not supported and may restrict access',
      'replace it with other annotations, and remove it',
    );
  }
  for (const name of ['enable-modsecurity', 'enable-owasp-core-rules', 'enable-owasp-modsecurity-crs']) {
    if (annotations.flag(name) !== true) continue;
    annotations.note(name, 'closed', 'this router has no web application firewall', 'put one in front of the router');
  }
  annotations.refuse('modsecurity-transaction-id', 'ignored', 'this router has no web application firewall');
  if (annotations.text('satisfy') === 'any') {
    annotations.note('satisfy', 'differs', 'a client must satisfy all access rules, not only one of them');
  }
}

/** Window in seconds over which requests are counted. */
const window = 10;

function readLimits(annotations: IngressAnnotations): IngressSettings['limits'] {
  const concurrent = annotations.number('limit-connections', 0) || undefined;
  const perSecond = annotations.number('limit-rps', 0) || undefined;
  const perMinute = annotations.number('limit-rpm', 0) || undefined;
  const rates = [
    ...(perSecond === undefined ? [] : [perSecond * window]),
    ...(perMinute === undefined ? [] : [Math.max(1, Math.ceil((perMinute * window) / 60))]),
  ];
  const words = 'requests of a client are counted over 10 s, without a burst';
  if (perSecond !== undefined) {
    annotations.note('limit-rps', 'differs', `${words}: up to ${perSecond * window} are served in that time`);
  }
  if (perMinute !== undefined) {
    const many = Math.max(1, Math.ceil((perMinute * window) / 60));
    annotations.note('limit-rpm', 'differs', `${words}: up to ${many} are served in that time`);
  }
  annotations.refuse('limit-burst-multiplier', 'ignored', 'limits here have no burst');
  annotations.refuse('limit-rate', 'refused', 'the bandwidth of a response is not limited');
  annotations.refuse('limit-rate-after', 'ignored', 'the bandwidth of a response is not limited');
  for (const name of ['limit-allowlist', 'limit-whitelist']) {
    annotations.refuse(name, 'differs', 'the limits apply to every client');
  }
  return {
    ...(concurrent !== undefined && { concurrent }),
    ...(rates.length > 0 && { rate: Math.min(...rates) }),
  };
}

const corsDefaults = {
  methods: 'GET, PUT, POST, DELETE, PATCH, OPTIONS',
  headers:
    'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization',
  maxAge: 1_728_000,
};

const originPattern = /^(?:\*|https?:\/\/(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?::\d{1,5})?)$/;
const tokens = /^(?:\*|[A-Za-z0-9_-]+(?:\s*,\s*[A-Za-z0-9_-]+)*,?)$/;

function readCors(annotations: IngressAnnotations): CorsRules | undefined {
  const isOn = annotations.flag('enable-cors');
  const list = (name: string, fallback: string): string => {
    const text = annotations.text(name);
    if (text === undefined) return fallback;
    if (text.length <= 1024 && tokens.test(text)) return text.replace(/,$/, '');
    annotations.note(name, 'refused', 'must be names separated by commas; the default is used');
    return fallback;
  };
  const origins = readOrigins(annotations);
  const settings: CorsRules = {
    origins,
    methods: list('cors-allow-methods', corsDefaults.methods),
    headers: list('cors-allow-headers', corsDefaults.headers),
    ...withText('exposed', list('cors-expose-headers', '')),
    credentials: annotations.flag('cors-allow-credentials') ?? true,
    maxAge: annotations.number('cors-max-age', 0) ?? corsDefaults.maxAge,
  };
  return isOn === true ? settings : undefined;
}

function readOrigins(annotations: IngressAnnotations): readonly string[] {
  const name = 'cors-allow-origin';
  const words = (annotations.text(name) ?? '*').split(',').map((word) => word.trim());
  const valid = words.filter((word) => originPattern.test(word)).slice(0, 20);
  if (valid.length < words.length) {
    annotations.note(
      name,
      'differs',
      'at most 20 origins such as https://*.example.com or "*" are allowed; others are not',
    );
  }
  return valid.includes('*') ? ['*'] : valid;
}

function withText(key: 'exposed', text: string): { readonly exposed?: string } {
  return text === '' ? {} : { [key]: text };
}
