import type { AttrStream } from 'netlink/dist/structs.js';
import { littleEndian, pushText, readAttributes, readText } from './attributes.ts';
import { flag, type NetlinkSocket } from './socket.ts';

const type = { newQdisc: 36, deleteQdisc: 37, getQdisc: 38 } as const;
const kindAttribute = 1;
const blackhole = 'blackhole';
/** `TC_H_ROOT` */
const root = 0xff_ff_ff_ff;
const headerLength = 20;

/**
 * Puts the queueing discipline `blackhole` on a link: from now on nothing leaves by it but what passes queueing
 * disciplines by, and it goes with the link. Takes microseconds, where taking a macvlan down waits for a grace
 * period. Throws {@link NetlinkError} where the kernel has no queueing disciplines.
 */
export function swallowEgress(socket: NetlinkSocket, linkIndex: number): void {
  socket.request(type.newQdisc, flag.create | flag.replace, (out: AttrStream) => {
    writeHeader(out, linkIndex);
    pushText(out, kindAttribute, blackhole);
  });
}

/** Takes what {@link swallowEgress} put there away; no error where it is not there. Throws {@link NetlinkError}. */
export function releaseEgress(socket: NetlinkSocket, linkIndex: number): void {
  if (swallowsEgress(socket, linkIndex)) {
    socket.request(type.deleteQdisc, 0, (out: AttrStream) => writeHeader(out, linkIndex));
  }
}

/** Whether {@link swallowEgress} is in force. Throws {@link NetlinkError}. */
export function swallowsEgress(socket: NetlinkSocket, linkIndex: number): boolean {
  const replies = socket.request(type.getQdisc, flag.dump, (out: AttrStream) => writeHeader(out, linkIndex));
  return replies.some(({ data }) => {
    const view = new DataView(data.buffer, data.byteOffset, headerLength);
    const isRoot = view.getInt32(4, littleEndian) === linkIndex && view.getUint32(12, littleEndian) === root;
    return isRoot && readText(readAttributes(data.subarray(headerLength)), kindAttribute) === blackhole;
  });
}

/** `struct tcmsg`. */
function writeHeader(out: AttrStream, linkIndex: number): void {
  const header = Buffer.alloc(headerLength);
  const view = new DataView(header.buffer, header.byteOffset);
  view.setInt32(4, linkIndex, littleEndian);
  view.setUint32(12, root, littleEndian);
  out.emit(header);
}
