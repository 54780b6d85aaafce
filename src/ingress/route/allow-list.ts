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
  const networks = new Map<string, Prefix>();
  for (const word of words) {
    const address = parseAddress(word);
    const prefix = address === undefined ? parsePrefix(word) : hostPrefix(address);
    if (prefix === undefined) return `must be addresses and CIDRs separated by blanks, not ${showValue(word, 48)}`;
    const network = networkOf(prefix);
    networks.set(formatPrefix(network), network);
  }
  return [...networks].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, network]) => network);
}
