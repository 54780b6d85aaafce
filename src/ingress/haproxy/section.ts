import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { retryLines, scriptLine, usesScript } from './exchange.ts';
import { cookieFormat, isBare, isPlain, withoutCookie } from './features.ts';
import type { Backend, HeaderAction, HttpBackend, Server, VerifiedTls } from './model.ts';
import { checkName, checkToken, fileName, hopHeader, quoteHeaderValue, quoteWord, UnfitValue } from './quote.ts';
import { serverName } from './server-name.ts';
import { loginLines } from './users.ts';

/** A server as its section and the runtime socket represent it. */
export interface ServerLine {
  /** MD5 of the ID, which is the value of a sticky cookie, so no lookup is needed. */
  readonly name: string;
  readonly id: string;
  /** `ADDRESS:PORT`. */
  readonly address: string;
  readonly weight: number;
  /** Maximum concurrent connections; 0: no limit. */
  readonly maxconn: number;
  readonly checked: boolean;
  /** Options that are fixed when the server is created. */
  readonly options: string;
}

/** A backend as a section. `shape` is fixed when HAProxy starts; servers can change. */
export interface Section {
  /** The `defaults` section that it inherits from. */
  readonly from: 'plain' | 'bare' | 'http' | 'passthrough';
  /** Lines below `backend NAME`. Sections with equal shapes are interchangeable. */
  readonly shape: string;
  readonly servers: ReadonlyMap<string, ServerLine>;
}

/** Shapes of spare sections: those without individual rules. */
export const spareShapes: ReadonlyMap<string, string> = new Map(
  (['http', 'tcp', 'script'] as const).flatMap((kind) =>
    (['random', 'roundrobin', 'leastconn', 'source'] as const).map((balance): [string, string] => [
      `${kind}-${balance}`,
      shapeOf({
        id: '',
        mode: kind === 'tcp' ? 'tcp' : 'http',
        balance,
        servers: [],
        checkInterval: 0,
        ...(kind === 'script' && { http: { mirrors: [] } }),
      }),
    ]),
  ),
);

const ownSections =
  /^(?:spare-.*|limits|redirect|be_sni|be_no_sni|openshift_default|answer_.*|redirect_to|gateway_.*|closed|logins|login_checks|tenants)$/;

/**
 * Returns a backend as a section. `own` means a section with the backend's name, which HAProxy loaded with the
 * backend's current features; a spare section must fit any backend. Throws {@link UnfitValue}.
 */
export function makeSection(backend: Backend, authorities: ReadonlyMap<string, string>, own = false): Section {
  checkName('backend', backend.id);
  if (ownSections.test(backend.id)) throw new UnfitValue(`backend ${backend.id}: this name is reserved`);
  const servers = new Map<string, ServerLine>();
  const options = serverOptions(backend, authorities);
  for (const server of backend.servers) {
    const line = serverLine(
      server,
      backend,
      server.tls === undefined ? options : verifiedOptions(server.tls, backend, authorities),
    );
    servers.set(line.name, line);
  }
  const shape = shapeOf(backend);
  // The comment keeps the shape apart from that of a spare section, which has other rules.
  if (own && isBare(backend)) return { from: 'bare', shape: `${shape}  # No cookie.\n`, servers };
  const cookie = own && isPlain(backend) ? backend.http?.cookie : undefined;
  if (cookie === undefined) return { from: backend.mode === 'tcp' ? 'passthrough' : 'http', shape, servers };
  const line = `  http-response add-header Set-Cookie "${cookieFormat(cookie)}" if ${withoutCookie}\n`;
  return { from: 'plain', shape: `${shape}${line}`, servers };
}

/** Renders the server's line in a section. */
export function renderServer(server: ServerLine): string {
  return `  server ${server.name} ${server.address} ${serverWords(server)} # ${server.id}`;
}

/** Returns the words after the address, in a line and in `add server`. */
export function serverWords(server: ServerLine): string {
  const maxconn = server.maxconn > 0 ? ` maxconn ${server.maxconn}` : '';
  return `weight ${server.weight}${maxconn} ${server.options}`;
}

/** Names of servers, since a first configuration needs each several times. */
const names = new WeakMap<Server, string>();

function nameOfServer(server: Server): string {
  const known = names.get(server);
  if (known !== undefined) return known;
  const name = serverName(server.id);
  names.set(server, name);
  return name;
}

function serverLine(server: Server, backend: Backend, options: string): ServerLine {
  if (!/^[\x21-\x7e]{1,1024}$/.test(server.id))
    throw new UnfitValue(`server ${JSON.stringify(server.id)}: must be printable`);
  if (!Number.isInteger(server.port) || server.port < 1 || server.port > 65535) {
    throw new UnfitValue(`server ${server.id}: port ${server.port} is not 1–65535`);
  }
  if (!Number.isInteger(server.weight) || server.weight < 0 || server.weight > 256) {
    throw new UnfitValue(`server ${server.id}: weight ${server.weight} is not 0–256`);
  }
  const isPlain = backend.http?.tls === undefined && server.tls === undefined;
  const protocol = server.h2c === true && isPlain ? ' proto h2' : '';
  const verifiesHost =
    server.tls === undefined && server.verifyHost !== undefined && backend.http?.tls?.authority !== undefined;
  const host = server.address.family === 6 ? `[${server.address.text}]` : server.address.text;
  return {
    name: nameOfServer(server),
    id: server.id,
    address: `${host}:${server.port}`,
    weight: server.weight,
    maxconn: backend.serverMaxconn ?? 0,
    checked: server.checked && backend.checkInterval > 0,
    options: `${options}${protocol}${verifiesHost ? ` verifyhost ${checkName('verified host', server.verifyHost ?? '')}` : ''}`,
  };
}

/** Milliseconds. */
const defaultInterval = 5000;

/**
 * Every server has a check, so that it can be enabled when a second server appears. The supervisor disables it for
 * the others.
 */
function serverOptions(backend: Backend, authorities: ReadonlyMap<string, string>): string {
  // Zero disables checks, but HAProxy rejects an interval of zero.
  const words = [checkWords(backend)];
  const tls = backend.http?.tls;
  if (tls !== undefined) {
    words.push('ssl alpn h2,http/1.1');
    if (tls.authority === undefined) words.push('verify none');
    else words.push(`verify required ca-file ${authorityFile(tls.authority, authorities.get(tls.authority) ?? '')}`);
  }
  return words.join(' ');
}

function checkWords({ checkInterval }: Backend): string {
  return `check inter ${milliseconds(checkInterval || defaultInterval)}`;
}

/**
 * With `sni`, HAProxy verifies that name for requests and ignores `verifyhost`, which applies to health checks (2.6 to
 * 3.4).
 */
function verifiedOptions(
  { name, authority, certificate }: VerifiedTls,
  backend: Backend,
  authorities: ReadonlyMap<string, string>,
): string {
  const host = checkName('server name', name);
  const fileOf = (one: string) => authorityFile(one, authorities.get(one) ?? '');
  return [
    checkWords(backend),
    `ssl${backend.mode === 'http' ? ' alpn h2,http/1.1' : ''}`,
    `verify required ca-file ${fileOf(authority)} sni str(${host}) check-sni ${host} verifyhost ${host}`,
    ...(certificate === undefined ? [] : [`crt ${fileOf(certificate)}`]),
  ].join(' ');
}

/** Returns the names of {@link HttpState.authorities} that a backend uses. */
export function listAuthorities({ http, servers }: Backend): readonly string[] {
  const names = new Set(http?.tls?.authority === undefined ? [] : [http.tls.authority]);
  for (const { tls } of servers) {
    if (tls === undefined) continue;
    names.add(tls.authority);
    if (tls.certificate !== undefined) names.add(tls.certificate);
  }
  return [...names];
}

/** Returns the names of {@link HttpState.authorities} that the lines of a backend's servers refer to. */
export function listLoaded({ http, servers }: Backend): ReadonlySet<string> {
  const names = new Set<string>();
  const shared = http?.tls?.authority;
  for (const { tls } of servers) {
    if (tls === undefined) {
      if (shared !== undefined) names.add(shared);
      continue;
    }
    names.add(tls.authority);
    if (tls.certificate !== undefined) names.add(tls.certificate);
  }
  return names;
}

/**
 * Returns the file of a named authority as HAProxy refers to it. New content is another file: 2.6 does not pass new
 * content to servers without a certificate of their own, although `commit ssl ca-file` reports success.
 */
export function authorityFile(name: string, pem: string): string {
  return `ca/${checkAuthorityName(name)}.${digestOf(pem)}.pem`;
}

/** Returns the name of an authority as part of a file name. Throws {@link UnfitValue}. */
export function checkAuthorityName(name: string): string {
  return fileName('authority', name);
}

/** Digests of the last authorities: thousands of backends often share few, and each server names its file. */
const digests = new LRUCache<string, string>({ max: 1000 });

function digestOf(pem: string): string {
  const known = digests.get(pem);
  if (known !== undefined) return known;
  const digest = createHash('sha256').update(pem).digest('hex').slice(0, 16);
  digests.set(pem, digest);
  return digest;
}

function shapeOf(backend: Backend): string {
  const lines = [`balance ${backend.balance}`];
  if (backend.balance === 'source') lines.push('hash-type consistent');
  if (backend.mode === 'tcp') {
    if (backend.timeoutServer !== undefined) lines.push(`timeout server ${milliseconds(backend.timeoutServer)}`);
    if (backend.timeoutTunnel !== undefined) lines.push(`timeout tunnel ${milliseconds(backend.timeoutTunnel)}`);
  } else {
    if (usesScript(backend)) lines.push(scriptLine);
    lines.push(...httpLines(backend.http ?? {}));
  }
  return lines.map((line) => `  ${line}\n`).join('');
}

function httpLines(http: HttpBackend): string[] {
  const lines: string[] = http.login === undefined ? [] : [...loginLines(http.login)];
  if (http.adjustCase === true) lines.push('option h1-case-adjust-bogus-server');
  for (const action of http.requestHeaders ?? []) lines.push(`http-request ${headerRule(action)}`);
  for (const action of http.responseHeaders ?? []) lines.push(`http-response ${headerRule(action)}`);
  lines.push(...retryLines(http));
  lines.push('use-server %[var(txn.server)] if { var(txn.server) -m found }');
  return lines;
}

/** Returns the words after `http-request` or `http-response`. Throws {@link UnfitValue}. */
export function headerRule(action: HeaderAction): string {
  if (action.name.toLowerCase() === hopHeader.toLowerCase()) {
    throw new UnfitValue(`header ${hopHeader}: protects against request loops and cannot be set or deleted`);
  }
  const name = quoteWord(checkToken('header', action.name));
  return action.action === 'set' ? `set-header ${name} ${quoteHeaderValue(action.value)}` : `del-header ${name}`;
}

/** HAProxy's timers are signed 32-bit numbers of milliseconds. */
export function milliseconds(time: number): string {
  return `${Math.max(0, Math.min(Math.round(time), 2_147_483_647))}ms`;
}
