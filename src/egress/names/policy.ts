import { type Address, containsAddress, formatPrefix, type Prefix } from '../../base/model/address.ts';
import { refuseInside } from '../../base/model/inside-ranges.ts';
import { refuseName } from '../api/dns-name.ts';

/** An address of an answer that must not be a destination. */
export interface RefusedAddress {
  readonly address: string;
  readonly reason: string;
}

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
  const reason = refuseInside(address);
  if (reason !== undefined) return reason;
  const network = clusterNetworks.find((prefix) => containsAddress(prefix, address));
  if (network !== undefined) return `is in the cluster network ${formatPrefix(network)}`;
  return own.has(address.text) ? 'is an address of this node' : undefined;
}

function contains(networks: readonly Prefix[], address: Address): boolean {
  return networks.some((prefix) => containsAddress(prefix, address));
}
