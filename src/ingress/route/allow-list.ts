import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import {
  formatPrefix,
  hostPrefix,
  networkOf,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../base/model/address.ts';
import { formatIpv4Network, parseIpv4Network } from '../../base/model/ipv4.ts';
import { showValue } from '../../base/read/show-value.ts';

/** All annotations of an object together have no more (Kubernetes' limit), in characters. */
const maxCharacters = 256 * 1024;

/** Lists of more characters are kept by their digest, so that an object that changes otherwise does not parse them again. */
const longList = 1000;
const maxKept = 16 * 1024 * 1024;
const kept = new LRUCache<string, NetworkList>({ maxSize: maxKept });

/**
 * Reads addresses and CIDRs separated by blanks into networks, sorted, each once. Otherwise says what
 * was expected. One bad entry spoils the list: OpenShift's router drops it, and a list of nothing but
 * bad entries then admits everybody.
 */
export function parseAllowList(text: string): readonly Prefix[] | string {
  if (text.length > maxCharacters) return `must have at most ${maxCharacters} characters`;
  const { networks, wrong } = collectNetworks(text);
  if (wrong[0] !== undefined) {
    return `must be addresses and CIDRs separated by blanks, not ${showValue(wrong[0], 48)}`;
  }
  if (networks.length === 0) return 'must name an address or CIDR; without the annotation everybody may connect';
  return networks.map((network) => parsePrefix(network) as Prefix);
}

/** Addresses and CIDRs as networks in canonical text (`10.0.0.0/8`), sorted, each once. */
export interface NetworkList {
  readonly networks: readonly string[];
  /** The first words that are neither. */
  readonly wrong: readonly string[];
}

/** Number of wrong words that are returned. */
const maxWrong = 3;

/**
 * Reads words into networks: IPv4 in the order of addresses, then IPv6. The same text gives the same object
 * for as long as that is kept, so that comparing lists is cheap.
 *
 * @param separator between words
 */
export function collectNetworks(text: string, separator: 'blanks' | 'commas' = 'blanks'): NetworkList {
  if (text.length < longList) return readNetworks(text, separator);
  const key = `${separator} ${hash('sha256', text, 'base64')}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  const list = readNetworks(text, separator);
  kept.set(key, list, { size: text.length });
  return list;
}

function readNetworks(text: string, separator: 'blanks' | 'commas'): NetworkList {
  const words = text.split(separator === 'blanks' ? /[ \t]+/ : /[\s,]+/);
  const [numbers, others, wrong]: [number[], Set<string>, string[]] = [[], new Set(), []];
  for (const word of words) {
    if (word === '') continue;
    // Nearly all words of long lists; numbers are sorted and compared faster than texts.
    const number = parseIpv4Network(word);
    if (number >= 0) {
      numbers.push(number);
      continue;
    }
    const network = parseIpv6Network(word);
    if (network !== undefined) others.add(network);
    else if (wrong.length < maxWrong) wrong.push(word);
  }
  const networks: string[] = [];
  let last = -1;
  for (const number of Float64Array.from(numbers).sort()) {
    if (number !== last) networks.push(formatIpv4Network(number));
    last = number;
  }
  return { networks: networks.concat([...others].sort()), wrong };
}

function parseIpv6Network(word: string): string | undefined {
  const address = parseAddress(word);
  if (address !== undefined) return formatPrefix(hostPrefix(address));
  const prefix = parsePrefix(word);
  return prefix && formatPrefix(networkOf(prefix));
}
