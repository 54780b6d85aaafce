import { readFileSync } from 'node:fs';
import type { OptionReader } from '../../base/daemon/reader.ts';
import { parseAddress } from '../../base/model/address.ts';
import { formatProblem } from '../../base/model/problem.ts';
import { optionTimeCure, parseOptionTime } from '../../base/read/duration.ts';
import { expressionCure, isExpression } from '../../base/read/expression.ts';
import { isHostName } from '../../base/read/object-meta.ts';
import { boolCure, parseBool } from '../../base/read/parse-bool.ts';
import { parsePort } from '../../base/read/parse-port.ts';
import type { Balance, Settings } from '../haproxy/model.ts';
import type { HostPolicy } from '../route/host.ts';
import { checkAuthorities, type KeyLimits, usualKeys } from './certificate.ts';
import { parseCiphers } from './ciphers.ts';
import type { DefaultCertificateSources } from './default-certificate.ts';
import type { HttpDesiredSettings } from './desired.ts';
import { splitQuoted, unquoteFormat } from './format-quotes.ts';
import { parseCaptures, parseCookieCapture, parseHeaderActions } from './header-options.ts';
import type { HttpSettings } from './http-plane.ts';
import { readListenerPorts } from './listener-ports-option.ts';
import type { HttpOptionName } from './option-table.ts';
import { type RevocationFile, readRevocationFile } from './revocation-file.ts';
import { unavailablePage } from './unavailable-page.ts';

/** Options of hosts and paths. */
export interface HttpOptions {
  /** How the router creates and changes hosts of Routes. */
  readonly hosts: HostPolicy;
  readonly settings: HttpSettings;
  readonly certificate: DefaultCertificateSources;
  /** Revocation lists of client certificates. The settings have those that were there at first. */
  readonly revocations: RevocationFile | undefined;
  /** With more servers than this, they have no individual series. */
  readonly serverThreshold: number;
}

type Reader = OptionReader<HttpOptionName>;

/** Options of the agent that hosts and paths also need. */
export interface SharedOptions extends Pick<HttpDesiredSettings, 'policy' | 'node'> {
  readonly name: string;
  readonly balance: Balance;
  readonly tcpBalance: Balance;
  /** Interval between checks of a server, in milliseconds. */
  readonly checkInterval: number;
  /** Milliseconds that connections to a removed endpoint may continue. */
  readonly drainTime: number;
}

/**
 * Reads the options of hosts and paths. Returns undefined without `--http-port` and `--https-port`: they are not
 * served.
 */
export function readHttpOptions(reader: Reader, shared: SharedOptions): HttpOptions | undefined {
  const port = (name: 'http-port' | 'https-port') =>
    reader.read(name, (text) => (text === '0' ? 0 : parsePort(text)), 'must be a port from 1 to 65535');
  const [httpPort, httpsPort] = [port('http-port'), port('https-port')];
  if (!httpPort && !httpsPort) return undefined;
  if (!httpPort || !httpsPort) {
    reader.problems.push('--http-port and --https-port: must both be set, or neither');
    return undefined;
  }
  const { policy, node, name, balance, tcpBalance, checkInterval, drainTime } = shared;
  const cookieName = reader.read('cookie-name', matching(/^[A-Za-z0-9_-]+$/), 'must be letters, digits, "_" and "-"');
  const keys = readKeyLimits(reader);
  const serviceAuthorities = readFileOption(reader, 'default-destination-ca-path');
  const user =
    reader.read('haproxy-user', matching(/^[a-z_][a-z0-9_-]{0,31}$/), 'must be the name of a user') ?? 'root';
  const revocations = readRevocationFile(reader);
  const haproxy = readHaproxySettings(reader, httpPort, httpsPort, keys, revocations);
  return {
    settings: {
      policy,
      node,
      hosts: {
        allowsWildcards: reader.isSet('allow-wildcard-routes'),
        deniesWildcards: reader.isDenied('allow-wildcard-routes'),
        sharesHosts: reader.isSet('disable-namespace-ownership-check'),
      },
      defaults: { balance, tcpBalance, checkInterval, ...(cookieName !== undefined && { cookieName }) },
      ...(serviceAuthorities !== undefined && {
        serviceAuthorities: checkedAuthorities(reader, 'default-destination-ca-path', serviceAuthorities, keys),
      }),
      keys,
      hasHttp2: !reader.isSet('disable-http2'),
      readsSecrets: reader.read('enable-external-certificate', parseBool, boolCure) ?? true,
      haproxy,
      ...(haproxy.gateways !== undefined && {
        gateways: { ...haproxy.gateways, own: { http: httpPort, https: httpsPort } },
      }),
      directory: reader.read('haproxy-directory', (text) => text) ?? defaultDirectory(name),
      binary: reader.read('haproxy-binary', (text) => text) ?? '/usr/sbin/haproxy',
      ...(user !== 'root' && { user, group: user }),
      hasContainer: reader.isSet('haproxy-container'),
      reloadInterval: Math.max(1000, readTime(reader, 'reload-interval')),
      drainTime,
      shutdownDelay: readTime(reader, 'shutdown-delay'),
      shutdownTimeout: readTime(reader, 'shutdown-timeout'),
    },
    hosts: readHostPolicy(reader),
    certificate: readCertificateSources(reader),
    revocations,
    serverThreshold: readNumber(reader, 'metrics-server-threshold', 0, 100_000) ?? 500,
  };
}

/** Returns the default of --haproxy-directory for an agent. */
export function defaultDirectory(name: string): string {
  return `/run/egress-router/ingress-${name}`;
}

function readHostPolicy(reader: Reader): HostPolicy {
  const domain = reader.read(
    'domain',
    (text) => (isHostName(text) ? text.toLowerCase() : undefined),
    'must be a domain',
  );
  const template = reader.read('subdomain-template', (text) => text);
  const parseDomains = (text: string) => {
    const domains = text.split(',').map((word) => word.trim().toLowerCase());
    return domains.every(isHostName) ? domains : undefined;
  };
  return {
    ...(domain !== undefined && { domain }),
    ...(template !== undefined && { template }),
    overridesAll: reader.isSet('override-hostname'),
    overriddenDomains: reader.read('override-domains', parseDomains, 'must be domains separated by commas') ?? [],
  };
}

function readHaproxySettings(
  reader: Reader,
  httpPort: number,
  httpsPort: number,
  keys: KeyLimits,
  revocations: RevocationFile | undefined,
): HttpSettings['haproxy'] {
  const address = reader.read('http-address', parseAddress, 'must be an address of this node');
  const family = reader.read('ip-mode', oneOf(['v4', 'v6', 'v4v6']), 'must be v4, v6 or v4v6') ?? 'v4';
  const uniqueName = reader.read(
    'unique-id-header-name',
    matching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/),
    'must be the name of a header',
  );
  const compression = reader.isSet('enable-compression')
    ? (reader.read('compression-mime', splitQuoted) ?? [])
    : undefined;
  const clientTls = readClientTls(reader, keys, revocations);
  const gateways = readListenerPorts(reader);
  const log = readLog(reader);
  const healthUri = reader.read('health-uri', matching(/^\/[\x21-\x7e]*$/), 'must be a path that begins with "/"');
  const routeConnections = readNumber(reader, 'max-connections-per-route', 1, 2_000_000);
  const actions = (name: 'http-request-headers' | 'http-response-headers') =>
    reader.read(name, parseHeaderActions, 'must be URL-encoded name:value:Set or name:Delete, separated by commas') ??
    [];
  return {
    listen: {
      family,
      ...(address !== undefined && { address }),
      httpPort,
      httpsPort,
      proxyProtocol: reader.isSet('use-proxy-protocol'),
    },
    timeouts: {
      connect: readTimeout(reader, 'connect-timeout'),
      client: readTimeout(reader, 'client-timeout'),
      clientFin: readTimeout(reader, 'client-fin-timeout'),
      server: readTimeout(reader, 'server-timeout'),
      serverFin: readTimeout(reader, 'server-fin-timeout'),
      tunnel: readTimeout(reader, 'http-tunnel-timeout'),
      check: 5000,
      request: readTimeout(reader, 'slowloris-timeout'),
      keepAlive: readTimeout(reader, 'http-keepalive-timeout'),
      inspect: readTimeout(reader, 'inspect-delay'),
    },
    process: readProcess(reader),
    tls: readTls(reader),
    ...(clientTls !== undefined && { clientTls }),
    ...(log !== undefined && { log }),
    removeSslHeaders: reader.read('mutual-tls-header-filter', parseBool, boolCure) ?? true,
    forwarded:
      reader.read(
        'forwarded-headers',
        oneOf(['append', 'replace', 'if-none', 'never']),
        'must be append, replace, if-none or never',
      ) ?? 'append',
    ...(uniqueName !== undefined && {
      uniqueId: { name: uniqueName, format: reader.read('unique-id-format', unquoteFormat) ?? '' },
    }),
    headerCases: reader.read('h1-case-adjust', (text) => text.split(',').map((word) => word.trim())) ?? [],
    requestHeaders: actions('http-request-headers'),
    responseHeaders: actions('http-response-headers'),
    ...(compression !== undefined && { compression }),
    errorPages: readErrorPages(reader),
    ...(healthUri !== undefined && { healthUri }),
    ignoreProbes: reader.isSet('http-ignore-probes'),
    ignoreEmptyInLog: reader.isSet('dont-log-null'),
    idleCloseOnResponse: reader.read('idle-close-on-response', parseBool, boolCure) ?? true,
    abortOnClose: reader.isSet('abort-on-close'),
    continuousStats: reader.isSet('continuous-stats'),
    ...(routeConnections !== undefined && { routeConnections }),
    ...(gateways !== undefined && {
      gateways: {
        ...gateways,
        // An Ingress must not replace the authorities of the router by its own.
        ...(clientTls !== undefined && { sites: 0 }),
        ...(reader.isSet('disable-http2') && { http1Only: true as const }),
      },
    }),
    spareBackends: readNumber(reader, 'spare-backends', 0, 10_000) ?? 100,
  };
}

function readProcess(reader: Reader): Settings['process'] {
  const maxconn = reader.read(
    'max-connections',
    (text) => (text === 'auto' || text === '-1' ? 0 : parseNumber(text, 1, 2_000_000)),
    'must be a number up to 2000000, or auto',
  );
  const threads = readNumber(reader, 'threads', 1, 64);
  const hardStopAfter = reader.read('hard-stop-after', parseOptionTime, optionTimeCure) || undefined;
  return {
    ...(maxconn !== undefined && maxconn > 0 && { maxconn }),
    ...(threads !== undefined && { threads }),
    bufsize: readNumber(reader, 'buffer-size', 16_384, 1_048_576) ?? 32_768,
    maxrewrite: readNumber(reader, 'max-rewrite-size', 1024, 524_288) ?? 8192,
    ...(hardStopAfter !== undefined && { hardStopAfter }),
  };
}

const tlsVersions = ['TLSv1.0', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;

function readTls(reader: Reader): HttpSettings['haproxy']['tls'] {
  const cure = `must be one of ${tlsVersions.join(', ')}`;
  const list = 'must be a list in OpenSSL\'s format, separated by ":"';
  const maxVersion = reader.read('ssl-max-version', oneOf(tlsVersions), cure);
  const ciphers = reader.read('ciphers', parseCiphers, `${list}, or old, intermediate or modern`);
  const ciphersuites = reader.read('ciphersuites', matching(/^[A-Z0-9_:]+$/), list);
  const curves = reader.read('curves', matching(/^[A-Za-z0-9_:-]+$/), list);
  return {
    minVersion: reader.read('ssl-min-version', oneOf(tlsVersions), cure) ?? 'TLSv1.2',
    ...(maxVersion !== undefined && { maxVersion }),
    ...(ciphers !== undefined && { ciphers }),
    ...(ciphersuites !== undefined && { ciphersuites }),
    ...(curves !== undefined && { curves }),
    strictSni: reader.isSet('strict-sni'),
  };
}

function readClientTls(
  reader: Reader,
  keys: KeyLimits,
  revocations: RevocationFile | undefined,
): Settings['clientTls'] {
  const verify = reader.read(
    'mutual-tls-auth',
    oneOf(['none', 'optional', 'required']),
    'must be none, optional or required',
  );
  const authorities = readFileOption(reader, 'mutual-tls-auth-ca');
  const subjectFilter = reader.read(
    'mutual-tls-auth-filter',
    (text) => (isExpression(text) ? text : undefined),
    expressionCure,
  );
  if (verify === undefined || verify === 'none') return undefined;
  if (authorities === undefined) {
    reader.problems.push('--mutual-tls-auth-ca: must be set if --mutual-tls-auth requests client certificates');
    return undefined;
  }
  return {
    verify,
    authorities: checkedAuthorities(reader, 'mutual-tls-auth-ca', authorities, keys),
    ...(revocations !== undefined && { revocations: revocations.text }),
    ...(subjectFilter !== undefined && { subjectFilter }),
  };
}

function readLog(reader: Reader): Settings['log'] {
  const address = reader.read(
    'syslog-address',
    matching(/^[\x21-\x7e]{1,200}$/),
    'must be host:port, a path, or stdout',
  );
  const httpFormat = reader.read('syslog-format', unquoteFormat);
  const cookie = reader.read('capture-http-cookie', parseCookieCapture, 'must be NAME:LENGTH or NAME=:LENGTH');
  const captures = (name: 'capture-http-request-headers' | 'capture-http-response-headers') =>
    reader.read(name, parseCaptures, 'must be NAME:LENGTH, separated by commas') ?? [];
  const [captureRequestHeaders, captureResponseHeaders] = [
    captures('capture-http-request-headers'),
    captures('capture-http-response-headers'),
  ];
  const word = matching(/^[a-z0-9]{1,20}$/);
  const facility = reader.read('log-facility', word, 'must be a syslog facility') ?? 'local1';
  const level = reader.read('access-log-level', word, 'must be a syslog level') ?? 'warning';
  const maxLength = readNumber(reader, 'log-max-length', 80, 65_535) ?? 1024;
  if (address === undefined) return undefined;
  return {
    target: address === 'stdout' ? { kind: 'stdout' } : { kind: 'syslog', address },
    facility,
    level,
    maxLength,
    ...(httpFormat !== undefined && { httpFormat }),
    captureRequestHeaders,
    captureResponseHeaders,
    ...(cookie !== undefined && { captureCookie: cookie }),
  };
}

function readErrorPages(reader: Reader): Settings['errorPages'] {
  const [unavailable, missing] = [readFileOption(reader, 'errorfile-503'), readFileOption(reader, 'errorfile-404')];
  return { 503: unavailable ?? unavailablePage, ...(missing !== undefined && { 404: missing }) };
}

function readCertificateSources(reader: Reader): DefaultCertificateSources {
  const text = reader.read('default-certificate', (given) => given);
  const path = reader.read('default-certificate-path', (given) => given);
  const directory = reader.read('default-certificate-dir', (given) => given);
  return {
    ...(text !== undefined && { text }),
    ...(path !== undefined && { path }),
    ...(directory !== undefined && { directory }),
  };
}

function checkedAuthorities(reader: Reader, name: HttpOptionName, text: string, keys: KeyLimits): string {
  const checked = checkAuthorities(text, `--${name}`, keys);
  if (checked.ok) return checked.value;
  reader.problems.push(...checked.problems.map(formatProblem));
  return '';
}

function readKeyLimits(reader: Reader): KeyLimits {
  const parseCurves = (text: string) => {
    const names = text.split(',').map((word) => word.trim());
    return names.every((name) => /^[A-Za-z0-9-]+$/.test(name)) ? new Set(names) : undefined;
  };
  return {
    rsaBits: readNumber(reader, 'max-rsa-bits', 2048, 16_384) ?? usualKeys.rsaBits,
    curves:
      reader.read('key-curves', parseCurves, "must be OpenSSL's names of curves, separated by commas") ??
      usualKeys.curves,
  };
}

/** Returns the text of a file that an option names. */
function readFileOption(reader: Reader, name: HttpOptionName): string | undefined {
  const path = reader.read(name, (text) => text);
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    reader.problems.push(`--${name} ${path}: cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

/**
 * Reads a timeout of HAProxy. Zero selects the default, as in OpenShift's router, because it would disable the
 * timeout in HAProxy.
 */
function readTimeout(reader: Reader, name: HttpOptionName): number {
  const parse = (text: string) => parseOptionTime(text) || undefined;
  return reader.read(name, parse, optionTimeCure) ?? 0;
}

function readTime(reader: Reader, name: HttpOptionName): number {
  return reader.read(name, parseOptionTime, optionTimeCure) ?? 0;
}

function readNumber(reader: Reader, name: HttpOptionName, least: number, most: number): number | undefined {
  return reader.read(name, (text) => parseNumber(text, least, most), `must be a number from ${least} to ${most}`);
}

function parseNumber(text: string, least: number, most: number): number | undefined {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return number >= least && number <= most ? number : undefined;
}

function matching(pattern: RegExp): (text: string) => string | undefined {
  return (text) => (pattern.test(text) ? text : undefined);
}

function oneOf<const Word extends string>(words: readonly Word[]): (text: string) => Word | undefined {
  return (text) => words.find((word) => word === text);
}
