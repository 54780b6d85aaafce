import { existsSync, readFileSync } from 'node:fs';
import type { Credentials } from '../../base/daemon/http-server.ts';
import type { OptionReader } from '../../base/daemon/reader.ts';
import { parseAddress } from '../../base/model/address.ts';
import { parsePort } from '../../base/read/parse-port.ts';

/** Address of metrics, health checks and documents, and their credentials. */
export interface StatsOptions {
  readonly address: string;
  readonly port: number;
  readonly credentials?: Credentials;
}

/** Names of these options. */
export type StatsOptionName =
  | 'stats-address'
  | 'stats-port'
  | 'stats-listen'
  | 'stats-username'
  | 'stats-password'
  | 'stats-username-file'
  | 'stats-password-file';

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
  const place = listen ?? { address: address ?? (credentials === undefined ? '127.0.0.1' : anyAddress()), port };
  if (place.port === undefined || place.port === 0) return undefined;
  return { address: place.address, port: place.port, ...(credentials !== undefined && { credentials }) };
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
