import {
  count,
  decide,
  linkNameBytes,
  matchBytes,
  matchMeta,
  type NftExpression,
} from '../../base/linux/netlink/nft-expression.ts';
import { type Address, addressBytes } from '../../base/model/address.ts';
import type { LinkGuard } from '../model/guard.ts';

const etherTypes = { 4: Buffer.from([0x08, 0x00]), 6: Buffer.from([0x86, 0xdd]), arp: Buffer.from([0x08, 0x06]) };
const icmpv6 = Buffer.from([58]);
const nowhere = { 4: Buffer.alloc(4), 6: Buffer.alloc(16) } as const;
const neighbourMessages = { solicitation: 135, advertisement: 136 } as const;
/** MLD reports and done messages (RFC 2710, RFC 3810), which snooping switches need. */
const listenerMessages = [131, 132, 143] as const;

/**
 * Returns the rules of a link's egress hook, in order. Packets that no rule accepts are dropped. `mac` is the link's
 * hardware address, six bytes.
 */
export function listEgressRules({ addresses }: LinkGuard, mac: Uint8Array): NftExpression[][] {
  return [
    [matchBytes('link', 6, mac, { not: true }), count, decide('drop')],
    ...addresses.flatMap((address) => (address.family === 4 ? listRules4(address, mac) : listRules6(address, mac))),
    [count, decide('drop')],
  ];
}

function listRules4(address: Address, mac: Uint8Array): NftExpression[][] {
  const own = addressBytes(address);
  const arp = (sender: Uint8Array): NftExpression[] => [
    matchMeta('protocol', etherTypes.arp),
    // Offset 8, after hardware and protocol types, lengths and operation: the sender's two addresses (RFC 826).
    matchBytes('network', 8, mac),
    matchBytes('network', 14, sender),
    decide('accept'),
  ];
  return [
    [matchMeta('protocol', etherTypes[4]), matchBytes('network', 12, own), decide('accept')],
    arp(own),
    // A probe claims no address (RFC 5227). erctl uses it to find other owners of the address.
    arp(nowhere[4]),
  ];
}

function listRules6(address: Address, mac: Uint8Array): NftExpression[][] {
  const own = addressBytes(address);
  const linkLocal = linkLocalBytes(mac);
  const six = matchMeta('protocol', etherTypes[6]);
  const message = (type: number): NftExpression[] => [
    six,
    matchMeta('transport', icmpv6),
    matchBytes('transport', 0, Buffer.from([type])),
  ];
  const advertisement = message(neighbourMessages.advertisement);
  const hopLimit = (hops: number): NftExpression => matchBytes('network', 7, Buffer.from([hops]));
  const from = (source: Uint8Array): NftExpression => matchBytes('network', 8, source);
  const target = (value: Uint8Array): NftExpression => matchBytes('transport', 8, value, { not: true });
  return [
    // The pod must not advertise addresses of other hosts (RFC 4861 §4.4).
    [...advertisement, target(own), target(linkLocal), count, decide('drop')],
    [six, from(own), decide('accept')],
    ...[linkLocal, nowhere[6]].flatMap((source) => [
      ...Object.values(neighbourMessages).map((type) => [
        ...message(type),
        hopLimit(255),
        from(source),
        decide('accept'),
      ]),
      ...listenerMessages.map((type) => [...message(type), hopLimit(1), from(source), decide('accept')]),
    ]),
  ];
}

/** Returns the link-local address derived from the link's hardware address (RFC 4291, Appendix A). */
function linkLocalBytes(mac: Uint8Array): Uint8Array {
  const [first = 0, ...rest] = mac;
  return Buffer.from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)]);
}

/** Returns the rules for incoming ARP: requests on other links for the guarded link's address get no answer. */
export function listArpRules({ link, addresses }: LinkGuard): NftExpression[][] {
  return addresses
    .filter(({ family }) => family === 4)
    .map((address) => [
      matchMeta('incoming', linkNameBytes(link), { not: true }),
      matchBytes('network', 24, addressBytes(address)),
      count,
      decide('drop'),
    ]);
}
