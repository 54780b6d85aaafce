import type { AttrStream } from 'netlink/dist/structs.js';
import { littleEndian, pushText } from './attributes.ts';
import { flag, type NetlinkSocket } from './socket.ts';

const newQdisc = 36;
const kindAttribute = 1;
/** `TC_H_ROOT` */
const root = 0xff_ff_ff_ff;

/**
 * Attaches the queueing discipline `blackhole` to a link. From then on the link sends nothing; deleting the link
 * deletes the discipline. This takes microseconds, whereas taking a macvlan down waits for a grace period. Throws
 * {@link NetlinkError} if the kernel lacks queueing disciplines.
 */
export function swallowEgress(socket: NetlinkSocket, linkIndex: number): void {
  socket.request(newQdisc, flag.create | flag.replace, (out: AttrStream) => {
    // struct tcmsg
    const header = Buffer.alloc(20);
    const view = new DataView(header.buffer, header.byteOffset);
    view.setInt32(4, linkIndex, littleEndian);
    view.setUint32(12, root, littleEndian);
    out.emit(header);
    pushText(out, kindAttribute, 'blackhole');
  });
}
