import { type Address, addressBytes, addressFromBytes, isLinkLocal, isUnusable } from '../../base/model/address.ts';

/**
 * Metadata services of clouds outside the link-local networks. Clients of these services get the node's credentials.
 */
const metadataServices = ['fd00:ec2::254', 'fd20:ce::254', '100.100.100.200', '192.0.0.192', '168.63.129.16'];

/**
 * IPv6 networks that embed an IPv4 address, with the position of its first byte (RFC 4291 §2.5.5, RFC 6052, RFC
 * 3056).
 */
const embedded: readonly { readonly prefix: readonly number[]; readonly at: number }[] = [
  { prefix: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], at: 12 },
  { prefix: [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0], at: 12 },
  { prefix: [0x20, 0x02], at: 2 },
];

/**
 * Returns whether an address can belong to an endpoint. Authors of EndpointSlices must not direct connections to the
 * node itself, to its broadcast address, or to the cloud's metadata service, in any notation.
 */
export function isEndpointAddress(address: Address): boolean {
  return explainEndpointAddress(address) === undefined;
}

/** Returns what an address is if it cannot belong to an endpoint, such as `a loopback address`. */
export function explainEndpointAddress(address: Address): string | undefined {
  const { family, text } = address;
  if (family === 4 ? text.startsWith('127.') : text === '::1') return 'a loopback address';
  if (isUnusable(address)) return 'an unspecified, multicast or broadcast address';
  if (metadataServices.includes(text)) return 'the metadata service of a cloud';
  if (isLinkLocal(address) || (family === 4 && text.startsWith('169.254.'))) return 'a link-local address';
  const carried = carriedAddress(address);
  const inside = carried && explainEndpointAddress(carried);
  return inside && `${inside} in IPv6 notation`;
}

/** Returns the IPv4 address embedded in an IPv6 address (compatible, NAT64, 6to4), or undefined if there is none. */
export function carriedAddress(address: Address): Address | undefined {
  if (address.family === 4) return undefined;
  const bytes = addressBytes(address);
  const carrier = embedded.find(({ prefix }) => prefix.every((byte, index) => bytes[index] === byte));
  return carrier && addressFromBytes(bytes.slice(carrier.at, carrier.at + 4));
}
