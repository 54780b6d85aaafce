import { type Address, addressBytes, containsAddress, formatPrefix, parsePrefix } from './address.ts';

/**
 * Ranges that are never outside the cluster. The owner of a DNS zone, or of a certificate, must not direct traffic into
 * them.
 */
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

/** Returns why an address is never a destination outside the cluster, or undefined if it may be one. */
export function refuseInside(address: Address): string | undefined {
  if (isIpv4Mapped(address)) return 'is an IPv4-mapped address';
  const range = inside.find(({ prefix }) => containsAddress(prefix, address));
  return range && `is in ${formatPrefix(range.prefix)}: ${range.what}`;
}

/** Returns whether an address is in `::ffff:0:0/96` (RFC 4291 §2.5.5.2), which {@link parsePrefix} does not accept. */
function isIpv4Mapped(address: Address): boolean {
  if (address.family === 4) return false;
  const bytes = addressBytes(address);
  return bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
}
