import { type Address, addressBytes, addressFromBytes } from '../../../../src/base/model/address.ts';
import { type Protocol, protocolNumbers } from '../../../../src/base/model/redirect.ts';

/** A connection's first packet, or what came of it. */
export interface Packet {
  readonly source: Address;
  readonly destination: Address;
  readonly protocol: Protocol;
  readonly sourcePort: number;
  readonly port: number;
}

/** What is seen on a wire: a packet, a TCP reset, or an ICMP error about a packet. */
export type Seen =
  | ({ readonly kind: 'packet' | 'reset' } & Packet)
  | { readonly kind: 'unreachable'; readonly code: number; readonly source: Address }
  | { readonly kind: 'other' };

/** An Ethernet frame that opens a connection: a TCP SYN, a UDP datagram, an SCTP INIT. */
export function openingFrame(packet: Packet, sourceMac: number, destinationMac: number): Uint8Array {
  const payload = openingPayload(packet);
  const source = addressBytes(packet.source);
  const destination = addressBytes(packet.destination);
  const number = protocolNumbers[packet.protocol];
  if (packet.protocol !== 'sctp') {
    const sum = checksum([...source, ...destination, 0, number, 0, payload.length, ...payload]);
    payload.set([sum >> 8, sum & 0xff], packet.protocol === 'tcp' ? 16 : 6);
  }
  if (packet.source.family === 6) {
    const head = [0x60, 0, 0, 0, 0, payload.length, number, 64];
    return Uint8Array.of(
      ...macs(sourceMac, destinationMac),
      0x86,
      0xdd,
      ...head,
      ...source,
      ...destination,
      ...payload,
    );
  }
  const head = [0x45, 0, 0, 20 + payload.length, 0, 0, 0x40, 0, 64, number, 0, 0, ...source, ...destination];
  const sum = checksum(head);
  head[10] = sum >> 8;
  head[11] = sum & 0xff;
  return Uint8Array.of(...macs(sourceMac, destinationMac), 0x08, 0x00, ...head, ...payload);
}

function openingPayload({ protocol, sourcePort, port }: Packet): Uint8Array {
  const ports = [sourcePort >> 8, sourcePort & 0xff, port >> 8, port & 0xff];
  switch (protocol) {
    case 'tcp':
      return Uint8Array.of(...ports, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0);
    case 'udp':
      return Uint8Array.of(...ports, 0, 12, 0, 0, 104, 97, 108, 111);
    case 'sctp': {
      const init = [1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1];
      const message = Uint8Array.of(...ports, 0, 0, 0, 0, 0, 0, 0, 0, ...init);
      const sum = crc32c(message);
      new DataView(message.buffer).setUint32(8, sum, true);
      return message;
    }
  }
}

/** Reads a frame as far as these tests care. */
export function readFrame(frame: Uint8Array): Seen {
  const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  if (type === 0x0800) return readIp(frame.subarray(14), 4);
  if (type === 0x86dd) return readIp(frame.subarray(14), 6);
  return { kind: 'other' };
}

function readIp(ip: Uint8Array, family: 4 | 6): Seen {
  const four = family === 4;
  const number = ip[four ? 9 : 6] ?? 0;
  const source = addressFromBytes(ip.slice(four ? 12 : 8, four ? 16 : 24));
  const destination = addressFromBytes(ip.slice(four ? 16 : 24, four ? 20 : 40));
  const payload = ip.subarray(four ? ((ip[0] ?? 0) & 15) * 4 : 40);
  // A kernel without SCTP answers in IPv6 with a parameter problem: it does not know the next header.
  if ((number === 1 && payload[0] === 3) || (number === 58 && (payload[0] === 1 || payload[0] === 4))) {
    return { kind: 'unreachable', code: payload[1] ?? 0, source };
  }
  const protocol = (Object.keys(protocolNumbers) as Protocol[]).find((name) => protocolNumbers[name] === number);
  if (protocol === undefined) return { kind: 'other' };
  const sourcePort = ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
  const port = ((payload[2] ?? 0) << 8) | (payload[3] ?? 0);
  const reset = protocol === 'tcp' && ((payload[13] ?? 0) & 0x04) !== 0;
  return { kind: reset ? 'reset' : 'packet', source, destination, protocol, sourcePort, port };
}

/** The hardware address that ends with this number: `02:00:00:00:00:NN`. */
export function formatMac(last: number): string {
  return `02:00:00:00:00:${last.toString(16).padStart(2, '0')}`;
}

function macs(source: number, destination: number): number[] {
  return [2, 0, 0, 0, 0, destination, 2, 0, 0, 0, 0, source];
}

function checksum(bytes: readonly number[]): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) sum += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** CRC-32C, the checksum of SCTP (RFC 9260 appendix A). */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
  }
  return ~crc >>> 0;
}
