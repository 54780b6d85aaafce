import {
  type Address,
  addressBits,
  containsAddress,
  type Family,
  formatPrefix,
  isLinkLocal,
  isUnusable,
  lastAddressOf,
  networkOf,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../base/model/address.ts';
import type { ProblemList } from '../../base/read/problem-list.ts';
import type { ReservedAddress } from '../model/attachment.ts';

/** A string and its place in the document. */
export interface Written {
  /** JSON path. */
  readonly path: string;
  readonly text: string;
}

/**
 * Parses a reserved address with prefix length. Rejects addresses that a host cannot have: the IPv4 network
 * and broadcast addresses (except for /31 and /32, RFC 3021) and the IPv6 subnet-router anycast address (RFC
 * 4291 §2.6.1).
 */
export function readReservedAddress({ path, text }: Written, problems: ProblemList): Prefix | undefined {
  const prefix = parsePrefix(text);
  const cure = prefix === undefined ? cureForUnreadable(text) : cureForUnfit(prefix);
  if (cure === undefined) return prefix;
  problems.add(path, text, cure);
  return undefined;
}

function cureForUnreadable(text: string): string {
  const address = parseAddress(text);
  return address === undefined
    ? 'must be an IPv4 or IPv6 address with prefix length, such as "192.168.12.99/24"'
    : `must include the prefix length of its network, such as "${address.text}/${address.family === 4 ? 24 : 64}"`;
}

function cureForUnfit(prefix: Prefix): string | undefined {
  const { address, length } = prefix;
  if (isUnusable(address) || isLinkLocal(address)) return 'must be a routable unicast address';
  if (length === 0) return `must have a prefix length from 1 to ${addressBits(address.family)}`;
  if (addressBits(address.family) - length < 2) return undefined;
  if (address.text === networkOf(prefix).address.text) {
    return address.family === 4
      ? 'must be a host address, not the network address'
      : 'must be a host address, not the subnet-router anycast address (all host bits zero)';
  }
  if (address.family === 4 && address.text === lastAddressOf(prefix).text) {
    return 'must be a host address, not the broadcast address';
  }
  return undefined;
}

/** Parses a gateway address. {@link checkGateway} compares it with the reserved address. */
export function readGateway({ path, text }: Written, problems: ProblemList): Address | undefined {
  const address = parseAddress(text);
  if (address !== undefined && !isUnusable(address)) return address;
  problems.add(path, text, 'must be the IPv4 or IPv6 address of the gateway, such as "192.168.12.1"');
  return undefined;
}

/**
 * Returns whether the gateway can be the next hop of the reserved address; otherwise adds a problem. IPv6
 * routers advertise their link-local addresses (RFC 4861 §4.2), so these are valid in any IPv6 network.
 */
export function checkGateway(prefix: Prefix, gateway: Address, written: Written, problems: ProblemList): boolean {
  const cure = cureForGateway(prefix, gateway);
  if (cure !== undefined) problems.add(written.path, written.text, cure);
  return cure === undefined;
}

function cureForGateway(prefix: Prefix, gateway: Address): string | undefined {
  if (gateway.text === prefix.address.text) return 'must differ from the reserved address';
  if (isLinkLocal(gateway) && prefix.address.family === 6) return undefined;
  // An address without a network has its gateway on the link, as in OpenShift's first egress router.
  if (prefix.length === addressBits(prefix.address.family)) {
    return gateway.family === prefix.address.family ? undefined : `must be an IPv${prefix.address.family} address`;
  }
  const network = networkOf(prefix);
  if (!containsAddress(prefix, gateway)) {
    return `must be an address in ${formatPrefix(network)}, the network of the reserved address`;
  }
  if (gateway.family === 6 || prefix.length > 30) return undefined;
  const isEdge = gateway.text === network.address.text || gateway.text === lastAddressOf(prefix).text;
  return isEdge
    ? `must be a host address, not the network or broadcast address of ${formatPrefix(network)}`
    : undefined;
}

/** Combines an address and its optional gateway. */
export function makeReservedAddress(prefix: Prefix, gateway: Address | undefined): ReservedAddress {
  return gateway === undefined ? { prefix } : { prefix, gateway };
}

/** Records a family; returns false and adds a problem if it is already taken. */
export function claimFamily(taken: Set<Family>, family: Family, written: Written, what: string, problems: ProblemList) {
  if (taken.has(family)) {
    problems.add(
      written.path,
      written.text,
      `is a second IPv${family} ${what}; only one IPv4 and one IPv6 ${what} is allowed`,
    );
    return false;
  }
  taken.add(family);
  return true;
}
