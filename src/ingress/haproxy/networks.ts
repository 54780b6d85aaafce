import { createHash } from 'node:crypto';
import { addressBytes, parseAddress, parsePrefix } from '../../base/model/address.ts';
import { parseIpv4Network } from '../../base/model/ipv4.ts';
import type { Backend } from './model.ts';
import { UnfitValue } from './quote.ts';

/**
 * Map of the networks of all allow- and deny-lists. Each key contains the list's id, a digest of its content; `allow.map` assigns
 * lists to sections. A list is complete in `networks.map` before a section refers to it, so that it takes effect
 * atomically. Lists never change, because HAProxy deletes an entry by a linear search, which would take a minute for a
 * long list.
 */
export const networksMap = 'maps/networks.map';

const ids = new WeakMap<readonly string[], string>();

/** Returns the id of a list. Equal lists have the same id. */
export function listIdOf(list: readonly string[]): string {
  const known = ids.get(list);
  if (known !== undefined) return known;
  // 120 bits, so that no tenant can create a list with the id of another tenant's list.
  const id = createHash('sha256').update(list.join(' ')).digest('base64url').slice(0, 20);
  ids.set(list, id);
  return id;
}

/** Returns whether the result of {@link listIdOf} is cached for a list. */
export function hasListId(list: readonly string[]): boolean {
  return ids.has(list);
}

const fit = new WeakSet<readonly string[]>();

/** Validates a list. Throws {@link UnfitValue} if an entry is invalid. */
export function checkNetworks(list: readonly string[]): void {
  if (fit.has(list)) return;
  for (const network of list) if (parseIpv4Network(network) < 0) networkKeys(network);
  fit.add(list);
}

const hexadecimal = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase().padStart(2, '0'));
const digitsBefore = { 4: '8:', 6: '32:' } as const;

/**
 * Returns the hexadecimal prefixes of client addresses that match an address or network, for HAProxy's longest-prefix
 * match. If the prefix length is not a multiple of four, 2, 4 or 8 prefixes are needed. `8:` or `32:` in front of the
 * digits distinguishes the families. Throws {@link UnfitValue}.
 */
export function networkKeys(network: string): readonly string[] {
  const number = parseIpv4Network(network);
  if (number >= 0) {
    const bits = number % 64;
    const address = (number - bits) / 64;
    const hex =
      `${hexadecimal[address >>> 24]}${hexadecimal[(address >>> 16) & 255]}` +
      `${hexadecimal[(address >>> 8) & 255]}${hexadecimal[address & 255]}`;
    return bits === 32 ? [digitsBefore[4] + hex] : beginnings(hex, bits, digitsBefore[4]);
  }
  const prefix = network.includes('/') ? parsePrefix(network) : undefined;
  const address = prefix?.address ?? parseAddress(network);
  if (address === undefined) {
    throw new UnfitValue(`allow-list entry ${JSON.stringify(network)}: not an address or network`);
  }
  const bytes = addressBytes(address);
  const hex = Buffer.from(bytes).toString('hex').toUpperCase();
  return beginnings(hex, prefix?.length ?? bytes.length * 8, digitsBefore[address.family]);
}

function beginnings(hex: string, bits: number, before: string): readonly string[] {
  const whole = hex.slice(0, bits >> 2);
  const rest = bits % 4;
  if (rest === 0) return [`${before}${whole}`];
  const first = Number.parseInt(hex[whole.length] ?? '0', 16) & ~(0xf >> rest);
  return Array.from({ length: 16 >> rest }, (_, i) => `${before}${whole}${(first + i).toString(16).toUpperCase()}`);
}

/** Returns the lists of a backend. */
export function backendLists({ allowList, denyList }: Backend): readonly (readonly string[])[] {
  return [allowList, denyList].filter((list) => list !== undefined);
}

/** Returns the distinct lists of backends by id. */
export function listsOf(backends: Iterable<Backend>): Map<string, readonly string[]> {
  const lists = new Map<string, readonly string[]>();
  for (const backend of backends) for (const list of backendLists(backend)) lists.set(listIdOf(list), list);
  return lists;
}

/** Returns the lines of `networks.map` for some networks of a list. */
export function renderNetworks(id: string, networks: readonly string[]): string[] {
  const lines: string[] = [];
  for (const network of networks) for (const key of networkKeys(network)) lines.push(`${id}/${key} 1\n`);
  return lines;
}

/** Number of networks that are rendered and loaded at a time. */
export const sliceSize = 1000;

/** Renders the content of `networks.map` in chunks. */
export function* renderNetworksFile(lists: ReadonlyMap<string, readonly string[]>): Generator<string> {
  for (const id of [...lists.keys()].sort()) {
    const list = lists.get(id) ?? [];
    for (let at = 0; at < list.length; at += sliceSize)
      yield renderNetworks(id, list.slice(at, at + sliceSize)).join('');
  }
}
