import type { IngressAnnotations } from './annotation-reader.ts';
import type { CanarySettings, IngressCookie, IngressSettings } from './settings.ts';

type Traffic = Pick<IngressSettings, 'serverTimeout' | 'cookie' | 'protocol' | 'canary' | 'balance' | 'bodySize'>;

/** Reads the annotations about servers and connections to them. */
export function readTraffic(annotations: IngressAnnotations): Traffic {
  const serverTimeout = readTimeouts(annotations);
  const cookie = readCookie(annotations);
  const canary = readCanary(annotations);
  const balance = readBalance(annotations);
  const bodySize = readBodySize(annotations);
  return {
    ...(serverTimeout !== undefined && { serverTimeout }),
    ...(cookie !== undefined && { cookie }),
    protocol: readProtocol(annotations),
    ...(canary !== undefined && { canary }),
    ...(balance !== undefined && { balance }),
    ...(bodySize !== undefined && { bodySize }),
  };
}

/** Values are seconds. HAProxy has one timeout for both directions, so the longer one counts. */
function readTimeouts(annotations: IngressAnnotations): number | undefined {
  const times = ['proxy-read-timeout', 'proxy-send-timeout'].flatMap((name) => {
    // Some authors write a unit, which ingress-nginx ignores together with the value.
    const seconds = annotations.number(name, 1, 2_147_483);
    return seconds === undefined ? [] : [seconds * 1000];
  });
  annotations.refuse(
    'proxy-connect-timeout',
    'ignored',
    'the connect timeout is the same for all hosts',
    'set ROUTER_DEFAULT_CONNECT_TIMEOUT of the agent',
  );
  return times.length === 0 ? undefined : Math.max(...times);
}

const sameSites = ['Lax', 'Strict', 'None'] as const;

function readCookie(annotations: IngressAnnotations): IngressCookie | undefined {
  const affinity = annotations.text('affinity');
  if (affinity !== undefined && affinity !== 'cookie')
    annotations.note('affinity', 'refused', 'must be cookie; it is ignored');
  const name = annotations.text('session-cookie-name') || 'INGRESSCOOKIE';
  const isName = /^[\w.-]{1,255}$/.test(name);
  if (!isName)
    annotations.note(
      'session-cookie-name',
      'refused',
      'must be letters, digits, "_", "." and "-"; the default is used',
    );
  const written = annotations.text('session-cookie-samesite');
  const sameSite = sameSites.find((one) => one.toLowerCase() === written?.toLowerCase());
  if (written !== undefined && sameSite === undefined) {
    annotations.note('session-cookie-samesite', 'refused', 'must be Lax, Strict or None; it is ignored');
  }
  const path = readCookiePart(annotations, 'session-cookie-path', /^\/[\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]{0,255}$/);
  const domain = readCookiePart(annotations, 'session-cookie-domain', /^\.?[A-Za-z0-9.-]{1,253}$/);
  const age = annotations.number('session-cookie-max-age', 0) ?? annotations.number('session-cookie-expires', 0);
  annotations.number('session-cookie-expires', 0);
  const secure = annotations.flag('session-cookie-secure');
  noteCookieRest(annotations);
  if (affinity !== 'cookie') return undefined;
  return {
    name: isName ? name : 'INGRESSCOOKIE',
    ...(sameSite !== undefined && { sameSite }),
    ...(path !== undefined && { path }),
    ...(domain !== undefined && { domain }),
    ...(age !== undefined && { maxAge: age }),
    ...(secure !== undefined && { secure }),
  };
}

function readCookiePart(annotations: IngressAnnotations, name: string, pattern: RegExp): string | undefined {
  const text = annotations.text(name);
  if (text === undefined || pattern.test(text)) return text;
  annotations.note(name, 'refused', 'contains characters that a cookie cannot have; it is ignored');
  return undefined;
}

function noteCookieRest(annotations: IngressAnnotations): void {
  const mode = annotations.text('affinity-mode');
  if (mode === 'persistent') annotations.note('affinity-mode', 'works', '');
  else if (mode !== undefined) {
    annotations.note(
      'affinity-mode',
      'differs',
      'a client stays on its server as long as the server exists (persistent)',
    );
  }
  annotations.refuse(
    'session-cookie-change-on-failure',
    'differs',
    'a client gets another server, and a new cookie, as soon as its server is gone',
  );
  annotations.refuse('session-cookie-conditional-samesite-none', 'ignored', 'SameSite is sent to every browser');
  annotations.refuse(
    'affinity-canary-behavior',
    'differs',
    'a client with a cookie stays with the Ingress that set it',
  );
}

function readProtocol(annotations: IngressAnnotations): IngressSettings['protocol'] {
  const written = annotations.text('backend-protocol')?.toUpperCase();
  readServerTls(annotations, written === 'HTTPS' || written === 'GRPCS');
  switch (written) {
    case undefined:
    case 'HTTP':
      return 'http';
    case 'HTTPS':
      return 'https';
    case 'GRPC':
      return 'grpc';
    case 'GRPCS':
      return 'grpcs';
    case 'AUTO_HTTP':
      annotations.note('backend-protocol', 'differs', 'HTTP/1.1 without TLS is used');
      return 'http';
    default:
      annotations.note('backend-protocol', 'closed', 'must be HTTP, HTTPS, GRPC or GRPCS');
      return 'http';
  }
}

/** As in ingress-nginx, server certificates are not verified by default. */
function readServerTls(annotations: IngressAnnotations, hasTls: boolean): void {
  const verify = annotations.text('proxy-ssl-verify');
  if (verify === 'on' && hasTls) {
    annotations.note(
      'proxy-ssl-verify',
      'closed',
      'the certificates of servers cannot be verified for an Ingress',
      'write a Route with termination reencrypt and destinationCACertificate',
    );
  }
  const outcome = hasTls ? 'refused' : 'ignored';
  annotations.refuse(
    'proxy-ssl-secret',
    outcome,
    hasTls ? 'no client certificate is sent to servers' : 'has no effect without backend-protocol HTTPS',
  );
  annotations.refuse('proxy-ssl-name', outcome, 'no name is sent to servers (SNI)');
  const sni = annotations.text('proxy-ssl-server-name');
  if (sni === 'on') annotations.note('proxy-ssl-server-name', outcome, 'no name is sent to servers (SNI)');
  for (const name of ['proxy-ssl-ciphers', 'proxy-ssl-protocols', 'proxy-ssl-verify-depth']) {
    annotations.refuse(name, 'ignored', 'the defaults of the router are used');
  }
}

function readBalance(annotations: IngressAnnotations): IngressSettings['balance'] {
  const hash = annotations.text('upstream-hash-by');
  if (hash === '$remote_addr' || hash === '$binary_remote_addr') return 'source';
  if (hash !== undefined) {
    annotations.note(
      'upstream-hash-by',
      'refused',
      'only $remote_addr selects a server; requests are balanced instead',
    );
  }
  annotations.refuse('upstream-hash-by-subset', 'ignored', 'one server is selected');
  annotations.refuse('upstream-hash-by-subset-size', 'ignored', 'one server is selected');
  const written = annotations.text('load-balance');
  switch (written) {
    case undefined:
      return undefined;
    case 'round_robin':
      return 'roundrobin';
    case 'ewma':
      annotations.note('load-balance', 'differs', 'the server with the fewest connections is selected (leastconn)');
      return 'leastconn';
    case 'least_conn':
      return 'leastconn';
    case 'ip_hash':
      return 'source';
    default:
      annotations.note('load-balance', 'refused', 'must be round_robin or ewma; it is ignored');
      return undefined;
  }
}

const sizeUnits: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** 0 disables the limit. ingress-nginx limits bodies to 1 MiB without the annotation. */
function readBodySize(annotations: IngressAnnotations): number | undefined {
  const text = annotations.text('proxy-body-size');
  if (text === undefined) return undefined;
  const [, digits, unit = ''] = /^(\d{1,9})([kmg]?)$/i.exec(text) ?? [];
  if (digits === undefined) {
    annotations.note('proxy-body-size', 'refused', 'must be a size such as 8m; it is ignored');
    return undefined;
  }
  const bytes = Number(digits) * (sizeUnits[unit.toLowerCase()] ?? 1);
  if (bytes === 0 || bytes > 2_147_483_647) return undefined;
  annotations.note('proxy-body-size', 'differs', 'requests without Content-Length are not limited');
  return bytes;
}

/** Name of a header or cookie (RFC 9110), without `|`. */
const tokenPattern = /^[A-Za-z0-9!#$%&'*+.^_`~-]{1,255}$/;

function readCanaryPart(annotations: IngressAnnotations, name: string, pattern: RegExp): string | undefined {
  const text = annotations.text(name);
  if (text === undefined || pattern.test(text)) return text;
  annotations.note(name, 'refused', 'contains characters that are not allowed here; it is ignored');
  return undefined;
}

function readCanary(annotations: IngressAnnotations): CanarySettings | undefined {
  const isOn = annotations.flag('canary');
  const value = readCanaryPart(annotations, 'canary-by-header-value', /^[\x21-\x7b\x7d\x7e]{1,255}$/);
  const pattern = annotations.text('canary-by-header-pattern');
  const named = readCanaryPart(annotations, 'canary-by-header', tokenPattern);
  if (pattern !== undefined && value === undefined) {
    const message = 'headers are not compared with regular expressions; the header is ignored';
    annotations.note('canary-by-header-pattern', 'refused', message, 'write canary-by-header-value');
  }
  const header = pattern !== undefined && value === undefined ? undefined : named;
  const cookie = readCanaryPart(annotations, 'canary-by-cookie', tokenPattern);
  const total = annotations.number('canary-weight-total', 1, 1_000_000) ?? 100;
  const weight = Math.min(annotations.number('canary-weight', 0, 1_000_000) ?? 0, total);
  if (isOn !== true) return undefined;
  return {
    ...(header !== undefined && { header: { name: header, ...(value !== undefined && { value }) } }),
    ...(cookie !== undefined && { cookie }),
    weight,
    total,
  };
}
