import { type Address, addressBytes, addressFromBytes } from '../model/address.ts';
import type { Claimant } from '../model/observed.ts';
import { formatMac } from './netlink/neighbour.ts';

/** A request to all hosts on the link for the owner of an address. */
export interface WireQuestion {
  readonly address: Address;
  /** Source address of the request. Absent for a probe of an address that is not in use yet (RFC 5227, RFC 4862). */
  readonly asker?: Address;
  /**
   * `all`, the default: every message that claims the address counts. `answers`: ARP requests do not, of which a
   * gateway sends many. `claims`: as `all`, and the question is never asked.
   */
  readonly hears?: 'all' | 'answers' | 'claims';
  /**
   * Whether the owner is expected to stay. Once it has answered, ARP requests go to it alone (RFC 1122 §2.3.2.1),
   * because the kernel copies a broadcast into the namespace of every router on the node. Solicitations need no such
   * care: few hosts join the multicast group of an address.
   */
  readonly stays?: boolean;
}

/** EtherTypes. */
export const etherType = { arp: 0x0806, ipv6: 0x86dd } as const;

const allHosts = Buffer.alloc(6, 0xff);
const icmpv6 = 58;
const solicitation = 135;
const advertisement = 136;
/** Bytes of an Ethernet header, of one with an IPv6 header, of a neighbour message without options, and of ARP. */
const lengths = { ethernet: 14, ipv6: 54, neighbour: 24, arp: 28 } as const;

/** Builds an ARP request (RFC 826), or without an asker an ARP probe (RFC 5227). */
export function arpRequest(mac: Buffer, { address, asker }: WireQuestion): Buffer {
  return Buffer.concat([
    allHosts,
    mac,
    Buffer.from([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]),
    mac,
    asker === undefined ? Buffer.alloc(4) : addressBytes(asker),
    Buffer.alloc(6),
    addressBytes(address),
  ]);
}

/** Builds an ARP announcement (RFC 5227 §2.3): a request for the sender's own address. */
export function arpAnnouncement(mac: Buffer, address: Address): Buffer {
  return arpRequest(mac, { address, asker: address });
}

/**
 * Reads the owner of an address from an ARP frame. Requests as well as replies name the sender's own address (RFC
 * 5227 §2.4). Returns undefined for anything but valid ARP for IPv4 on Ethernet (RFC 826), and for hardware addresses
 * that no single station has. The sender's hardware address may differ from the frame's, as with virtual routers (RFC
 * 5798).
 */
export function readArp(frame: Buffer): Claimant | undefined {
  if (frame.length < lengths.ethernet + lengths.arp || frame.readUInt16BE(12) !== etherType.arp) return undefined;
  const arp = frame.subarray(lengths.ethernet);
  const isOfIpv4 = arp.readUInt16BE(0) === 1 && arp.readUInt16BE(2) === 0x0800 && arp[4] === 6 && arp[5] === 4;
  const operation = arp.readUInt16BE(6);
  // Other operations of this format are not ARP: RARP, InARP, and those for ATM (RFC 5494).
  if (!isOfIpv4 || (operation !== 1 && operation !== 2)) return undefined;
  const sender = arp.subarray(8, 14);
  if (!isOneStation(sender) || !isOneStation(frame.subarray(6, 12))) return undefined;
  return { address: addressFromBytes(arp.subarray(14, 18)), mac: formatMac(sender) };
}

/** Builds a neighbor solicitation (RFC 4861 §4.3), or without an asker a probe for duplicates (RFC 4862 §5.4). */
export function neighbourSolicitation(mac: Buffer, { address, asker }: WireQuestion): Buffer {
  const target = addressBytes(address);
  const group = Buffer.from('ff0200000000000000000001ff000000', 'hex');
  group.set(target.subarray(13), 13);
  const source = asker === undefined ? Buffer.alloc(16) : Buffer.from(addressBytes(asker));
  const option = asker === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.from([1, 1]), mac]);
  const message = Buffer.concat([Buffer.from([solicitation, 0, 0, 0, 0, 0, 0, 0]), target, option]);
  return neighbourMessage(mac, source, group, message);
}

/**
 * Builds an unsolicited neighbor advertisement (RFC 4861 §4.4). It has the router flag, because the pod forwards, and
 * overrides cached entries.
 */
export function unsolicitedAdvertisement(mac: Buffer, address: Address): Buffer {
  const target = Buffer.from(addressBytes(address));
  const allNodes = Buffer.from('ff020000000000000000000000000001', 'hex');
  const message = Buffer.concat([
    Buffer.from([advertisement, 0, 0, 0, 0xa0, 0, 0, 0]),
    target,
    Buffer.from([2, 1]),
    mac,
  ]);
  return neighbourMessage(mac, target, allNodes, message);
}

/** Builds a frame with a neighbor discovery message to a multicast group. */
function neighbourMessage(mac: Buffer, source: Buffer, group: Buffer, message: Buffer): Buffer {
  message.writeUInt16BE(checksum(source, group, message), 2);
  const header = Buffer.from([0x60, 0, 0, 0, 0, message.length, icmpv6, 255]);
  return Buffer.concat([
    Buffer.from([0x33, 0x33, ...group.subarray(12)]),
    mac,
    Buffer.from([0x86, 0xdd]),
    header,
    source,
    group,
    message,
  ]);
}

/** Returns the checksum of a message (RFC 8200 §8.1), or 0 if the message contains the correct one. */
function checksum(source: Buffer, destination: Buffer, message: Buffer): number {
  const { length } = message;
  const pseudo = [source, destination, Buffer.from([0, 0, length >>> 8, length & 0xff, 0, 0, 0, icmpv6]), message];
  // A missing last byte counts as zero.
  const bytes = Buffer.concat([...pseudo, Buffer.alloc(length % 2)]);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** A message of neighbour discovery that passed the checks that advertisements and solicitations share. */
interface NeighbourMessage {
  readonly type: number;
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly target: Buffer;
  /** The flags of an advertisement. */
  readonly flags: number;
  readonly options: readonly NeighbourOption[];
  /** The sender of the frame. */
  readonly station: Buffer;
}

/**
 * Reads a neighbour solicitation or advertisement. Undefined for what is none, and for each that RFC 4861 §7.1 makes
 * a host discard: above all one whose hop limit is not 255, which a router may have brought here from another network.
 */
function readNeighbourMessage(frame: Buffer): NeighbourMessage | undefined {
  if (frame.length < lengths.ipv6 + lengths.neighbour || frame.readUInt16BE(12) !== etherType.ipv6) return undefined;
  const isIcmp = frame.readUInt8(14) >>> 4 === 6 && frame[20] === icmpv6;
  if (!isIcmp || frame[21] !== 255) return undefined;
  // Bytes after the packet are padding. A packet that is longer than the frame is truncated.
  const message = frame.subarray(lengths.ipv6, lengths.ipv6 + frame.readUInt16BE(18));
  if (message.length !== frame.readUInt16BE(18) || message.length < lengths.neighbour) return undefined;
  const [type = 0, code] = message;
  if ((type !== advertisement && type !== solicitation) || code !== 0) return undefined;
  const [source, destination, target] = [frame.subarray(22, 38), frame.subarray(38, 54), message.subarray(8, 24)];
  if (checksum(source, destination, message) !== 0) return undefined;
  // Who claims an address has one: the source is neither a group nor the unspecified address (§4.3, §4.4).
  if (isMulticast(target) || isMulticast(source) || source.every((byte) => byte === 0)) return undefined;
  const options = readOptions(message.subarray(lengths.neighbour));
  const station = frame.subarray(6, 12);
  if (options === undefined || !isOneStation(station)) return undefined;
  return { type, source, destination, target, flags: message.readUInt8(4), options, station };
}

/**
 * Reads who has an address from a frame with a neighbour advertisement: its target, at the hardware address of its
 * option, else of the frame. Undefined for what is no valid one (RFC 4861 §7.1.2).
 */
export function readAdvertisement(frame: Buffer): Claimant | undefined {
  const message = readNeighbourMessage(frame);
  if (message === undefined || message.type !== advertisement) return undefined;
  const isSolicited = (message.flags & 0x40) !== 0;
  if (isSolicited && isMulticast(message.destination)) return undefined;
  return claimOf(message.target, message, 2);
}

/**
 * Reads who has an address from a frame with a neighbour solicitation: its source, which every host that hears it
 * believes (RFC 4861 §7.2.3). Undefined for what is no valid one (§7.1.1), and for a probe, which claims nothing.
 */
export function readSolicitation(frame: Buffer): Claimant | undefined {
  const message = readNeighbourMessage(frame);
  return message?.type === solicitation ? claimOf(message.source, message, 1) : undefined;
}

/** An address at the hardware address of an option, else of the frame. */
function claimOf(address: Buffer, { options, station }: NeighbourMessage, option: number): Claimant | undefined {
  const mac = options.find(({ type, value }) => type === option && value.length === 6)?.value ?? station;
  return isOneStation(mac) ? { address: addressFromBytes(address), mac: formatMac(mac) } : undefined;
}

interface NeighbourOption {
  readonly type: number;
  readonly value: Buffer;
}

/** Options of neighbour discovery (RFC 4861 §4.6); undefined where one has no length, or more than there is. */
function readOptions(bytes: Buffer): NeighbourOption[] | undefined {
  const options = [];
  for (let at = 0; at < bytes.length; ) {
    const [type = 0, units = 0] = bytes.subarray(at);
    const end = at + units * 8;
    if (units === 0 || end > bytes.length) return undefined;
    options.push({ type, value: bytes.subarray(at + 2, end) });
    at = end;
  }
  return options;
}

function isMulticast(address: Buffer): boolean {
  return address[0] === 0xff;
}

/** Returns whether a hardware address belongs to one station: neither multicast nor broadcast nor zero. */
function isOneStation(mac: Buffer): boolean {
  return (mac.readUInt8(0) & 1) === 0 && mac.some((byte) => byte !== 0);
}
