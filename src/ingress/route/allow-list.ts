import {
  formatPrefix,
  hostPrefix,
  networkOf,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../base/model/address.ts';
import { showValue } from '../../base/read/show-value.ts';

/** Maximum size in characters of all annotations of an object (Kubernetes' limit). */
const maxCharacters = 256 * 1024;

/**
 * Parses addresses and CIDRs separated by blanks into sorted networks without duplicates, or returns what was
 * expected. One invalid entry invalidates the list: OpenShift's router ignores the entry, and a list of only invalid
 * entries then admits every client.
 */
export function parseAllowList(text: string): readonly Prefix[] | string {
  if (text.length > maxCharacters) return `must have at most ${maxCharacters} characters`;
  const words = text.split(/[ \t]+/).filter((word) => word !== '');
  if (words.length === 0) return 'must contain an address or CIDR; remove the annotation to admit every client';
  const { networks, wrong } = collectNetworks(words, 1);
  return wrong[0] === undefined
    ? networks
    : `must be addresses and CIDRs separated by blanks, not ${showValue(wrong[0], 48)}`;
}

/** Sorted networks without duplicates, from addresses and CIDRs. */
export interface NetworkList {
  readonly networks: readonly Prefix[];
  /** The first words that are neither. */
  readonly wrong: readonly string[];
}

/**
 * Parses words into networks.
 *
 * @param limit number of wrong words to return
 */
export function collectNetworks(words: readonly string[], limit: number): NetworkList {
  const networks = new Map<string, Prefix>();
  const wrong: string[] = [];
  for (const word of words) {
    const address = parseAddress(word);
    // An address alone has no host bits to clear, which is most of the cost of a long list.
    const written = address === undefined ? parsePrefix(word) : undefined;
    const network = address === undefined ? written && networkOf(written) : hostPrefix(address);
    if (network !== undefined) networks.set(formatPrefix(network), network);
    else if (wrong.length < limit) wrong.push(word);
  }
  const keys = [...networks.keys()].sort();
  return { networks: keys.map((key) => networks.get(key) as Prefix), wrong };
}
