import { lookup } from 'node:dns/promises';
import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import { within } from '../../../base/kubernetes/limit.ts';
import { type Address, containsAddress, formatPrefix, type Prefix, parseAddress } from '../../../base/model/address.ts';
import { refuseInside } from '../../../base/model/inside-ranges.ts';

/** Returns the addresses of a name. Rejects with an Error. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** Dependencies of downloads. */
export interface DownloadSettings {
  /** Networks of the cluster, which certificates must not direct requests into. */
  readonly forbidden: readonly Prefix[];
  /** The only networks to connect to, without addresses of the node. Absent: any. */
  readonly allowed?: readonly Prefix[];
  /** Milliseconds that one download may take. */
  readonly timeout?: number;
  readonly resolve?: Resolve;
}

/** Maximum octets of a list. */
export const largestList = 512 * 1024;

/** Addresses of a name that are tried. */
const maxAddresses = 3;

/**
 * Downloads a file with one GET request, without a proxy, credentials or redirects. Connects only to an address that it
 * has checked itself, so that a DNS answer that changes in between has no effect. Rejects with an Error whose message
 * quotes nothing that the server sent.
 *
 * @param authorities CA certificates in PEM that may have signed the server's certificate, besides public ones
 */
export async function download(
  url: string,
  authorities: string,
  settings: DownloadSettings,
  signal: AbortSignal,
): Promise<Buffer> {
  const { timeout = 10_000 } = settings;
  const target = new URL(url);
  if (target.username !== '' || target.password !== '') throw new Error('a URL with a user name is not used');
  const end = Date.now() + timeout;
  const addresses = await withinTime(findAddresses(target, settings), timeout, signal);
  let failure: unknown;
  for (const [index, address] of addresses.entries()) {
    const share = (end - Date.now()) / (addresses.length - index);
    if (share <= 0) break;
    try {
      return await within(share, signal, async (limit) => await get(target, address, authorities, limit));
    } catch (error) {
      failure = error;
      if (!isUnreachable(error)) break;
    }
  }
  throw failure instanceof Error ? failure : new Error('no answer in time');
}

/** Returns checked addresses. If one of several is refused, none is used: the name is not the one of a public server. */
async function findAddresses(target: URL, settings: DownloadSettings): Promise<readonly Address[]> {
  const { forbidden, allowed, resolve = resolveName } = settings;
  const host = hostOf(target);
  const texts = isIP(host) === 0 ? await resolve(host) : [host];
  const addresses = texts.map((text) => {
    const address = parseAddress(text);
    if (address === undefined) throw new Error(`the address ${text} is not supported`);
    const reason = refuseInside(address) ?? refuseNetwork(address, forbidden, allowed);
    if (reason !== undefined) throw new Error(`the address ${address.text} ${reason}`);
    return address;
  });
  if (addresses.length === 0) throw new Error('the name has no address');
  return addresses.sort((one, other) => one.family - other.family).slice(0, maxAddresses);
}

/** Returns the host without the brackets of IPv6. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

function refuseNetwork(
  address: Address,
  forbidden: readonly Prefix[],
  allowed: readonly Prefix[] | undefined,
): string | undefined {
  const network = forbidden.find((prefix) => containsAddress(prefix, address));
  if (network !== undefined) return `is in the cluster's network ${formatPrefix(network)}`;
  const isAllowed = allowed === undefined || allowed.some((prefix) => containsAddress(prefix, address));
  return isAllowed ? undefined : 'is outside --client-crl-networks';
}

async function resolveName(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    throw new Error(`cannot resolve ${host}: ${codeOf(error) ?? 'no address'}`, { cause: error });
  }
}

/** Name resolution cannot be aborted; its late result is ignored. */
async function withinTime<T>(work: Promise<T>, milliseconds: number, signal: AbortSignal): Promise<T> {
  return await within(milliseconds, signal, async (limit) => {
    const ended = new Promise<never>((_, reject) =>
      limit.addEventListener('abort', () => reject(new Error('no answer in time')), { once: true }),
    );
    return await Promise.race([work, ended]);
  });
}

/** A request that did not get an answer. */
class Unreachable extends Error {}

function isUnreachable(error: unknown): boolean {
  return error instanceof Unreachable;
}

function get(target: URL, address: Address, authorities: string, signal: AbortSignal): Promise<Buffer> {
  const isSecure = target.protocol === 'https:';
  const isLiteral = isIP(hostOf(target)) !== 0;
  const options = {
    host: address.text,
    port: target.port === '' ? (isSecure ? 443 : 80) : Number(target.port),
    path: `${target.pathname}${target.search}`,
    method: 'GET',
    headers: { host: target.host, connection: 'close', accept: '*/*', 'accept-encoding': 'identity' },
    // A pool would reuse a connection whose address was not checked for this name.
    agent: false,
    signal,
  } as const;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void =>
      reject(
        signal.aborted
          ? new Unreachable('no answer in time')
          : new Unreachable(`cannot connect: ${codeOf(error) ?? 'connection failed'}`),
      );
    const sent = isSecure
      ? requestSecure({
          ...options,
          ...(isLiteral ? {} : { servername: target.hostname }),
          ca: [...rootCertificates, authorities],
        })
      : requestPlain(options);
    sent.on('error', fail);
    sent.once('response', (response) => {
      const refuse = (reason: string): void => {
        reject(new Error(reason));
        sent.destroy();
      };
      const { statusCode = 0 } = response;
      if (statusCode >= 300 && statusCode < 400)
        return refuse(`the server redirects (${statusCode}), which is not followed`);
      if (statusCode !== 200) return refuse(`the server answered ${statusCode}`);
      readBody(response, signal).then(resolve, ({ message }: Error) => refuse(message));
    });
    sent.end();
  });
}

/** Reads at most {@link largestList} octets. Rejects with an Error. */
function readBody(response: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const tooLarge = `the answer is larger than ${largestList / 1024} KiB`;
    if (Number(response.headers['content-length'] ?? 0) > largestList) return reject(new Error(tooLarge));
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > largestList) return reject(new Error(tooLarge));
      chunks.push(chunk);
    });
    response.once('end', () => resolve(Buffer.concat(chunks)));
    const cut = (): void =>
      reject(new Error(signal.aborted ? 'the answer did not end in time' : 'the answer is incomplete'));
    response.once('error', cut);
    response.once('aborted', cut);
    response.once('close', cut);
  });
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
