import { addressBytes, parseAddress } from '../../src/base/model/address.ts';
import { runIn } from './namespaces.ts';

/** A TCP segment without data in an Ethernet frame. */
export interface Segment {
  readonly mac: { readonly from: string; readonly to: string };
  readonly source: string;
  readonly target: string;
  readonly sourcePort: number;
  readonly port: number;
  readonly flags: 'syn' | 'ack';
}

const flagBits = { syn: 0x02, ack: 0x10 } as const;

/** The frame with valid checksums (RFC 791, RFC 8200, RFC 9293). */
export function writeSegment({ mac, source, target, sourcePort, port, flags }: Segment): Buffer {
  const [from, to] = [source, target].map((text) => {
    const address = parseAddress(text);
    if (address === undefined) throw new Error(`not an address: ${text}`);
    return Buffer.from(addressBytes(address));
  }) as [Buffer, Buffer];
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(sourcePort, 0);
  tcp.writeUInt16BE(port, 2);
  tcp.writeUInt32BE(1000, 4);
  tcp.writeUInt32BE(flags === 'ack' ? 2000 : 0, 8);
  tcp[12] = 5 << 4;
  tcp[13] = flagBits[flags];
  tcp.writeUInt16BE(1000, 14);
  const pseudo = Buffer.concat([from, to, Buffer.from([0, 6, 0, tcp.length])]);
  tcp.writeUInt16BE(sum(Buffer.concat([pseudo, tcp])), 16);
  const isV4 = from.length === 4;
  const type = Buffer.from(isV4 ? [0x08, 0x00] : [0x86, 0xdd]);
  return Buffer.concat([macBytes(mac.to), macBytes(mac.from), type, isV4 ? headV4(from, to) : headV6(from, to), tcp]);
}

/** Sends frames on eth0 of a namespace. */
export async function sendFrames(netns: string, frames: readonly Buffer[]): Promise<void> {
  const program = `
    import { writeSync } from 'node:fs';
    import { bindSocket, openSocket } from '${new URL('../../src/base/linux/libc/calls.ts', import.meta.url).href}';
    import { NetlinkSocket } from '${new URL('../../src/base/linux/netlink/socket.ts', import.meta.url).href}';
    import { findLink } from '${new URL('../../src/base/linux/netlink/link.ts', import.meta.url).href}';
    const fd = openSocket(17, 3, 0);
    const address = Buffer.alloc(20);
    address.writeUInt16LE(17, 0);
    address.writeInt32LE(findLink(new NetlinkSocket(0), 'eth0').index, 4);
    bindSocket(fd, address);
    for (const hex of '${frames.map((frame) => frame.toString('hex')).join(' ')}'.split(' ')) writeSync(fd, Buffer.from(hex, 'hex'));`;
  await runIn(netns, process.execPath, ['--input-type=module', '-e', program]);
}

function headV4(from: Buffer, to: Buffer): Buffer {
  const head = Buffer.concat([Buffer.from([0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0]), from, to]);
  head.writeUInt16BE(sum(head), 10);
  return head;
}

function headV6(from: Buffer, to: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x60, 0, 0, 0, 0, 20, 6, 64]), from, to]);
}

function sum(data: Buffer): number {
  let total = 0;
  for (let at = 0; at < data.length; at += 2) total += data.readUInt16BE(at);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}
