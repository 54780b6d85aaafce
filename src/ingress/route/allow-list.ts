import {
  formatPrefix,
  hostPrefix,
  networkOf,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../base/model/address.ts';
import { showValue } from '../../base/read/show-value.ts';

/** All annotations of an object together have no more (Kubernetes' limit), in characters. */
const maxCharacters = 256 * 1024;

/**
 * Reads addresses and CIDRs separated by blanks into networks, sorted, each once. Otherwise says what
 * was expected. One bad entry spoils the list: OpenShift's router drops it, and a list of nothing but
 * bad entries then admits everybody.
 */
export function parseAllowList(text: string): readonly Prefix[] | string {
  if (text.length > maxCharacters) return `must have at most ${maxCharacters} characters`;
  const words = text.split(/[ \t]+/).filter((word) => word !== '');
  if (words.length === 0) return 'must name an address or CIDR; without the annotation everybody may connect';
  const { networks, wrong } = collectNetworks(words, 1);
  return wrong[0] === undefined
    ? networks
    : `must be addresses and CIDRs separated by blanks, not ${showValue(wrong[0], 48)}`;
}

/** Addresses and CIDRs as networks, sorted, each once. */
export interface NetworkList {
  readonly networks: readonly Prefix[];
  /** The first words that are neither. */
  readonly wrong: readonly string[];
}

/**
 * Reads words into networks.
 *
 * @param limit number of wrong words to return
 */
export function collectNetworks(words: readonly string[], limit: number): NetworkList {
  const networks = new Map<string, Prefix>();
  const wrong: string[] = [];
  for (const word of words) {
    const address = parseAddress(word);
    // An address alone has no host bits to clear, which is most of the time that a long list takes.
    const written = address === undefined ? parsePrefix(word) : undefined;
    const network = address === undefined ? written && networkOf(written) : hostPrefix(address);
    if (network !== undefined) networks.set(formatPrefix(network), network);
    else if (wrong.length < limit) wrong.push(word);
  }
  const keys = [...networks.keys()].sort();
  return { networks: keys.map((key) => networks.get(key) as Prefix), wrong };
}
