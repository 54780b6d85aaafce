import {
  type Address,
  addressBytes,
  containsAddress,
  formatPrefix,
  type Prefix,
  parsePrefix,
} from '../../base/model/address.ts';
import { refuseName } from '../api/dns-name.ts';

/** An address of an answer that must not be a destination. */
export interface RefusedAddress {
  readonly address: string;
  readonly reason: string;
}

/** Ranges that are never outside the cluster. The owner of a DNS zone must not direct traffic into them. */
const insideRanges: readonly (readonly [prefix: string, what: string])[] = [
  ['0.0.0.0/8', 'the unspecified network'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local, with the metadata service'],
  ['100.100.100.200/32', 'a metadata service'],
  ['168.63.129.16/32', 'a metadata service'],
  ['192.0.0.192/32', 'a metadata service'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved or broadcast'],
  ['::/96', 'unspecified, loopback or an IPv4-compatible address'],
  ['64:ff9b::/96', 'an IPv4 address behind NAT64'],
  ['64:ff9b:1::/48', 'an IPv4 address behind NAT64'],
  ['2002::/16', 'an IPv4 address in 6to4'],
  ['fd00:ec2::254/128', 'a metadata service'],
  ['fd20:ce::254/128', 'a metadata service'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'site-local'],
  ['ff00::/8', 'multicast'],
];

const inside = insideRanges.map(([text, what]) => {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`Cannot parse ${text}`);
  return { prefix, what };
});

/** Names and networks that the administrator allows or denies. */
export interface NamePolicy {
  /** Networks of pods and Services. */
  readonly clusterNetworks: readonly Prefix[];
  /** Networks that are allowed even though they are inside the cluster. */
  readonly allowedNetworks: readonly Prefix[];
  /** Suffixes of names inside the cluster that are allowed. */
  readonly allowedSuffixes: readonly string[];
}

/** Returns why the policy denies a name, or undefined if it is allowed. */
export function refuseByPolicy(name: string, { allowedSuffixes }: NamePolicy): string | undefined {
  return refuseName(name, allowedSuffixes);
}

/**
 * Splits the addresses of an answer into those that may be destinations and those that must not.
 *
 * @param own addresses of the node itself
 */
export function sift(
  addresses: readonly Address[],
  { clusterNetworks, allowedNetworks }: NamePolicy,
  own: ReadonlySet<string>,
): { readonly usable: readonly Address[]; readonly refused: readonly RefusedAddress[] } {
  const usable: Address[] = [];
  const refused: RefusedAddress[] = [];
  for (const address of addresses) {
    const reason = contains(allowedNetworks, address) ? undefined : refuseAddress(address, clusterNetworks, own);
    if (reason === undefined) usable.push(address);
    else refused.push({ address: address.text, reason });
  }
  return { usable, refused };
}

function refuseAddress(
  address: Address,
  clusterNetworks: readonly Prefix[],
  own: ReadonlySet<string>,
): string | undefined {
  if (isIpv4Mapped(address)) return 'is an IPv4-mapped address';
  const range = inside.find(({ prefix }) => containsAddress(prefix, address));
  if (range !== undefined) return `is in ${formatPrefix(range.prefix)}: ${range.what}`;
  const network = clusterNetworks.find((prefix) => containsAddress(prefix, address));
  if (network !== undefined) return `is in the cluster network ${formatPrefix(network)}`;
  return own.has(address.text) ? 'is an address of this node' : undefined;
}

function contains(networks: readonly Prefix[], address: Address): boolean {
  return networks.some((prefix) => containsAddress(prefix, address));
}

/** Returns whether an address is in `::ffff:0:0/96` (RFC 4291 §2.5.5.2), which {@link parsePrefix} does not accept. */
function isIpv4Mapped(address: Address): boolean {
  if (address.family === 4) return false;
  const bytes = addressBytes(address);
  return bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
}
