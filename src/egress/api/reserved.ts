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

/** A piece of text and where it stands. */
export interface Written {
  /** JSON path. */
  readonly path: string;
  readonly text: string;
}

/**
 * Reads a reserved address with its network's length. Refused, with a problem: what no host of that
 * network may have: the network and broadcast address of IPv4 (/31 and /32 have none, RFC 3021),
 * the all-zero host of IPv6, which is the routers' anycast address (RFC 4291 §2.6.1).
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
    ? 'must be an IPv4 or IPv6 address with its prefix length, such as "192.168.12.99/24"'
    : `must have the prefix length of its network, such as "${address.text}/${address.family === 4 ? 24 : 64}"`;
}

function cureForUnfit(prefix: Prefix): string | undefined {
  const { address, length } = prefix;
  if (isUnusable(address) || isLinkLocal(address)) return 'must be the address of a host that others can reach';
  if (length === 0) return `must have the prefix length of its network, 1 to ${addressBits(address.family)}`;
  if (addressBits(address.family) - length < 2) return undefined;
  if (address.text === networkOf(prefix).address.text) {
    return address.family === 4
      ? 'must not be the network address of its own network'
      : 'must not be the anycast address of its own network (all host bits zero)';
  }
  if (address.family === 4 && address.text === lastAddressOf(prefix).text) {
    return 'must not be the broadcast address of its own network';
  }
  return undefined;
}

/** Reads the address of a gateway; whether it fits a reserved address is another question. */
export function readGateway({ path, text }: Written, problems: ProblemList): Address | undefined {
  const address = parseAddress(text);
  if (address !== undefined && !isUnusable(address)) return address;
  problems.add(path, text, 'must be the IPv4 or IPv6 address of the gateway, such as "192.168.12.1"');
  return undefined;
}

/**
 * Whether the gateway can be the next hop of the reserved address; notes a problem if not. A
 * link-local gateway fits every IPv6 network (RFC 4861 §6.2.3: routers announce themselves so).
 */
export function checkGateway(prefix: Prefix, gateway: Address, written: Written, problems: ProblemList): boolean {
  const cure = cureForGateway(prefix, gateway);
  if (cure !== undefined) problems.add(written.path, written.text, cure);
  return cure === undefined;
}

function cureForGateway(prefix: Prefix, gateway: Address): string | undefined {
  if (gateway.text === prefix.address.text) return 'must not be the reserved address itself';
  if (isLinkLocal(gateway) && prefix.address.family === 6) return undefined;
  const network = networkOf(prefix);
  if (!containsAddress(prefix, gateway)) {
    return `must be an address of ${formatPrefix(network)}, the network of the reserved address`;
  }
  if (gateway.family === 6 || prefix.length > 30) return undefined;
  const isEdge = gateway.text === network.address.text || gateway.text === lastAddressOf(prefix).text;
  return isEdge ? `must not be the network or broadcast address of ${formatPrefix(network)}` : undefined;
}

/** Joins an address and its gateway; an absent gateway leaves no key. */
export function makeReservedAddress(prefix: Prefix, gateway: Address | undefined): ReservedAddress {
  return gateway === undefined ? { prefix } : { prefix, gateway };
}

/** Whether `family` is not among the families read so far; notes a problem for a second one. */
export function claimFamily(taken: Set<Family>, family: Family, written: Written, what: string, problems: ProblemList) {
  if (taken.has(family)) {
    problems.add(written.path, written.text, `is a second IPv${family} ${what}; only one IPv4 and one IPv6 is allowed`);
    return false;
  }
  taken.add(family);
  return true;
}
