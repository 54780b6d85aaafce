import { closeSync, writeSync } from 'node:fs';
import { type Address, addressBytes } from '../../model/address.ts';
import { bindSocket, openSocket } from './libc/calls.ts';
import { littleEndian } from './netlink/attributes.ts';

/**
 * Tells the neighbours which hardware address holds the addresses now: gratuitous ARP as request
 * (RFC 5227 §3) and as reply, since some routers heed one and some the other, and unsolicited
 * neighbour advertisements (RFC 4861 §7.2.6). The kernel announces once when the link goes up; a
 * router that moved must not hang on one frame. Throws {@link SystemCallError}.
 *
 * `mac` is six bytes; sends from the namespace that the thread is in.
 */
export function announceAddresses(linkIndex: number, mac: Uint8Array, addresses: readonly Address[]): void {
  const packetDomain = 17;
  const rawSocket = 3;
  const fd = openSocket(packetDomain, rawSocket, 0);
  try {
    bindSocket(fd, linkAddress(linkIndex));
    for (const address of addresses) {
      for (const frame of framesFor(address, mac)) writeSync(fd, frame);
    }
  } finally {
    closeSync(fd);
  }
}

/** `struct sockaddr_ll`. */
function linkAddress(linkIndex: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 17, littleEndian);
  view.setInt32(4, linkIndex, littleEndian);
  return bytes;
}

function framesFor(address: Address, mac: Uint8Array): Uint8Array[] {
  if (address.family === 6) return [neighbourAdvertisement(address, mac)];
  return [arpFrame(1, address, mac), arpFrame(2, address, mac)];
}

const broadcast = Uint8Array.of(255, 255, 255, 255, 255, 255);

function arpFrame(operation: 1 | 2, address: Address, mac: Uint8Array): Uint8Array {
  const ip = addressBytes(address);
  const targetMac = operation === 1 ? new Uint8Array(6) : broadcast;
  return Uint8Array.of(
    ...[...broadcast, ...mac, 0x08, 0x06],
    ...[0, 1, 0x08, 0, 6, 4, 0, operation],
    ...[...mac, ...ip, ...targetMac, ...ip],
  );
}

function neighbourAdvertisement(address: Address, mac: Uint8Array): Uint8Array {
  const source = addressBytes(address);
  const allNodes = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  const overrideFlag = 0x20;
  const targetLinkAddress = [2, 1, ...mac];
  const message = Uint8Array.of(136, 0, 0, 0, overrideFlag, 0, 0, 0, ...source, ...targetLinkAddress);
  const sum = checksum(Uint8Array.of(...source, ...allNodes, 0, 0, 0, message.length, 0, 0, 0, 58, ...message));
  message[2] = sum >> 8;
  message[3] = sum & 0xff;
  return Uint8Array.of(
    ...[0x33, 0x33, 0, 0, 0, 1, ...mac, 0x86, 0xdd],
    ...[0x60, 0, 0, 0, 0, message.length, 58, 255, ...source, ...allNodes],
    ...message,
  );
}

/** The Internet checksum (RFC 1071) of an even number of bytes. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) sum += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
