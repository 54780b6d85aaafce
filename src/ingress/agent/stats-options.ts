import { existsSync, readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Credentials } from '../../base/daemon/http-server.ts';
import type { OptionReader } from '../../base/daemon/reader.ts';
import type { TlsSettings } from '../../base/daemon/tls-port.ts';
import { parseAddress } from '../../base/model/address.ts';
import { parsePort } from '../../base/read/parse-port.ts';

/** Address of metrics, health checks and documents, and their credentials. */
export interface StatsOptions {
  readonly address: string;
  readonly port: number;
  readonly credentials?: Credentials;
  /** Absent: without TLS. */
  readonly tls?: TlsSettings;
}

/** Names of these options. */
export type StatsOptionName =
  | 'stats-address'
  | 'stats-port'
  | 'stats-listen'
  | 'stats-username'
  | 'stats-password'
  | 'stats-username-file'
  | 'stats-password-file'
  | 'stats-tls-certificate'
  | 'stats-tls-key'
  | 'stats-tls-min-version'
  | 'stats-tls-ciphers';

/** Returns undefined if the port is 0 and nothing is served. */
export function readStatsOptions(reader: OptionReader<StatsOptionName>): StatsOptions | undefined {
  const port = reader.read('stats-port', parseStatsPort, 'must be a port, or 0 to disable it');
  const address = reader.read('stats-address', (text) => parseAddress(text)?.text, 'must be an address of this node');
  const listen = reader.read('stats-listen', parseListen, 'must be IP:PORT, [IPv6]:PORT or :PORT');
  const username = readText(reader, 'stats-username', 'stats-username-file');
  const password = readText(reader, 'stats-password', 'stats-password-file');
  if ((username === undefined) !== (password === undefined)) {
    reader.problems.push('STATS_USERNAME and STATS_PASSWORD: must both be set, or neither');
  }
  const credentials = username === undefined || password === undefined ? undefined : { username, password };
  const tls = readTls(reader);
  const place = listen ?? { address: address ?? (credentials === undefined ? '127.0.0.1' : anyAddress()), port };
  if (place.port === undefined || place.port === 0) return undefined;
  return {
    address: place.address,
    port: place.port,
    ...(credentials !== undefined && { credentials }),
    ...(tls !== undefined && { tls }),
  };
}

function readTls(reader: OptionReader<StatsOptionName>): TlsSettings | undefined {
  const certificateFile = reader.read('stats-tls-certificate', (path) => path);
  const keyFile = reader.read('stats-tls-key', (path) => path);
  const minVersion = reader.read('stats-tls-min-version', parseVersion, 'must be TLSv1.2 or TLSv1.3') ?? 'TLSv1.2';
  const ciphers = reader.read('stats-tls-ciphers', parseCiphers, 'must be names of ciphers, separated by ":"');
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    reader.problems.push('ROUTER_METRICS_TLS_CERT_FILE and ROUTER_METRICS_TLS_KEY_FILE: must both be set, or neither');
  }
  if (certificateFile === undefined || keyFile === undefined) return undefined;
  return { certificateFile, keyFile, minVersion, ...(ciphers !== undefined && { ciphers }) };
}

/** Versions as HAProxy and as OpenShift's TLS profiles spell them. Older ones are raised. */
const versions: Readonly<Record<string, TlsSettings['minVersion']>> = {
  'TLSv1.0': 'TLSv1.2',
  'TLSv1.1': 'TLSv1.2',
  'TLSv1.2': 'TLSv1.2',
  'TLSv1.3': 'TLSv1.3',
  VersionTLS10: 'TLSv1.2',
  VersionTLS11: 'TLSv1.2',
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
};

function parseVersion(text: string): TlsSettings['minVersion'] | undefined {
  return Object.hasOwn(versions, text) ? versions[text] : undefined;
}

/** Returns the ciphers in OpenSSL's form, without unknown ones. Undefined if none is left. */
function parseCiphers(text: string): string | undefined {
  const known = text
    .split(/[:,]/)
    .map((name) => nameInOpenSsl(name.trim()))
    .filter((name) => /^[A-Z0-9_-]+$/.test(name) && isCipher(name));
  return known.length === 0 ? undefined : known.join(':');
}

/** Returns OpenSSL's name of a cipher of TLS 1.2 with IANA's name, which OpenShift's operator writes. */
function nameInOpenSsl(name: string): string {
  const [, exchange, cipher] = /^TLS_(.+)_WITH_(.+)$/.exec(name) ?? [];
  if (exchange === undefined || cipher === undefined) return name;
  const short = cipher
    .replace('3DES_EDE_CBC', 'DES_CBC3')
    .replace('CHACHA20_POLY1305_SHA256', 'CHACHA20_POLY1305')
    .replace(/^AES_(\d+)_(?:CBC_)?/, 'AES$1_');
  return `${exchange === 'RSA' ? '' : `${exchange}-`}${short}`.replaceAll('_', '-');
}

function isCipher(name: string): boolean {
  try {
    createSecureContext({ ciphers: name });
    return true;
  } catch {
    return false;
  }
}

/** Returns the wildcard address of both families. */
function anyAddress(): string {
  return existsSync('/proc/net/if_inet6') ? '::' : '0.0.0.0';
}

/** Returns a text, or the content of a file as Secrets are mounted. */
function readText(
  reader: OptionReader<StatsOptionName>,
  name: StatsOptionName,
  file: StatsOptionName,
): string | undefined {
  const text = reader.read(name, (given) => given);
  const path = reader.read(file, (given) => given);
  if (text !== undefined || path === undefined) return text;
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    reader.problems.push(`--${file} ${path}: cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

function parseStatsPort(text: string): number | undefined {
  return text === '0' ? 0 : parsePort(text);
}

function parseListen(text: string): { readonly address: string; readonly port: number } | undefined {
  const [, host, digits] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  const port = digits === undefined ? undefined : parsePort(digits);
  const address = host === '' ? anyAddress() : parseAddress(host ?? '')?.text;
  return port === undefined || address === undefined ? undefined : { address, port };
}
