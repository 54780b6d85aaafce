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

/** Maximum size in characters of all annotations of an object (Kubernetes' limit). */
const maxCharacters = 256 * 1024;

/** Longer lists are cached by digest, so that other changes of an object do not parse them again. */
const longList = 1000;
const maxKept = 16 * 1024 * 1024;
const kept = new LRUCache<string, NetworkList>({ maxSize: maxKept });

/**
 * Parses addresses and CIDRs separated by blanks into sorted networks without duplicates, or returns what was
 * expected. One invalid entry invalidates the list: OpenShift's router ignores the entry, and a list of only invalid
 * entries then admits every client.
 */
export function parseAllowList(text: string): readonly Prefix[] | string {
  if (text.length > maxCharacters) return `must have at most ${maxCharacters} characters`;
  const { networks, wrong } = collectNetworks(text);
  if (wrong[0] !== undefined) {
    return `must be addresses and CIDRs separated by blanks, not ${showValue(wrong[0], 48)}`;
  }
  if (networks.length === 0) return 'must contain an address or CIDR; remove the annotation to admit every client';
  return networks.map((network) => parsePrefix(network) as Prefix);
}

/** Sorted networks without duplicates in canonical text (`10.0.0.0/8`), from addresses and CIDRs. */
export interface NetworkList {
  readonly networks: readonly string[];
  /** The first words that are neither. */
  readonly wrong: readonly string[];
}

/** Maximum number of invalid words that are returned. */
const maxWrong = 3;

/**
 * Parses words into networks: IPv4 in the order of addresses, then IPv6. The same text returns the same object while
 * it is cached, which makes comparing lists cheap.
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
    // Nearly all words of long lists are IPv4, and numbers are faster to sort and compare than texts.
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
