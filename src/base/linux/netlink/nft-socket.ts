import { closeSync, readSync, writeSync } from 'node:fs';
import { formatHeader, HEADER_LENGTH, parseMessages, readS32 } from 'netlink/dist/structs.js';
import { errnoName, openSocket, setSocketOption } from '../libc/calls.ts';
import { explanationOf, flag, NetlinkError, netlinkFamily } from './socket.ts';

/** `NFNL_SUBSYS_NFTABLES`. */
const subsystem = 10;
/** `NFNL_MSG_BATCH_*`. */
const batchType = { begin: 0x10, end: 0x11 } as const;

/** `NFPROTO_*`. */
export const nftFamily = { inet: 1, arp: 3, netdev: 5 } as const;

/**
 * Transactions of nf_tables over netlink: all of one or nothing. `nft` does the same, but its start
 * alone costs more than most changes, and its end waits for a grace period.
 *
 * The socket belongs to the network namespace in which it was opened. Closing it after something was
 * deleted waits for a grace period, unless that is over by then.
 */
export class NftSocket {
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafe(64 * 1024);

  /** Throws a system call's error where the kernel has no nfnetlink. */
  constructor() {
    const netlinkDomain = 16;
    const rawSocket = 3;
    const nonBlocking = 0o4000;
    this.#fd = openSocket(netlinkDomain, rawSocket | nonBlocking, netlinkFamily.netfilter);
    // NETLINK_CAP_ACK, NETLINK_EXT_ACK: refusals without our request, with the kernel's explanation.
    for (const option of [10, 11]) setSocketOption(this.#fd, 270, option, Buffer.from([1, 0, 0, 0]));
  }

  /** Does what the messages say. Throws {@link NetlinkError}, and then nothing changed. */
  commit(messages: readonly Buffer[]): void {
    if (messages.length === 0) return;
    const batch = Buffer.concat([writeMark(batchType.begin), ...messages, writeMark(batchType.end)]);
    this.#allowDatagram(batch.length);
    writeSync(this.#fd, batch);
    this.#throwRefusal();
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** The kernel takes a transaction in one datagram only. */
  #allowDatagram(length: number): void {
    const socketLevel = 1;
    const sendBufferForce = 32;
    const size = Int32Array.of(Math.max(212_992, length + 4096));
    setSocketOption(this.#fd, socketLevel, sendBufferForce, new Uint8Array(size.buffer));
  }

  /** Whatever the kernel has to say about a batch is there when sending it returns; of a success nothing is. */
  #throwRefusal(): void {
    let refusal: NetlinkError | undefined;
    for (;;) {
      let received: number;
      try {
        received = readSync(this.#fd, this.#buffer);
      } catch (error) {
        const { code } = error as { code?: unknown };
        if (code === 'EINTR') continue;
        if (code === 'EAGAIN') break;
        throw error;
      }
      for (const message of parseMessages(Buffer.from(this.#buffer.subarray(0, received)))) {
        if (message.type !== 2) continue;
        const errno = -readS32.call(message.data, 0);
        if (errno !== 0) refusal ??= new NetlinkError(errnoName(errno), explanationOf(message.data, message.flags));
      }
    }
    if (refusal !== undefined) throw refusal;
  }
}

function writeMark(which: number): Buffer {
  // res_id is the subsystem, in network order.
  const payload = Buffer.from([0, 0, 0, subsystem]);
  const header = { length: HEADER_LENGTH + payload.length, type: which, flags: flag.request, seq: 0, port: 0 };
  return Buffer.concat([formatHeader(header), payload]);
}

/** One message of a transaction; `body` are attributes. */
export function writeNftMessage(type: number, flags: number, family: number, ...body: readonly Buffer[]): Buffer {
  const payload = Buffer.concat([Buffer.from([family, 0, 0, 0]), ...body]);
  const header = { length: HEADER_LENGTH + payload.length, type, flags: flags | flag.request, seq: 1, port: 0 };
  return Buffer.concat([formatHeader(header), payload]);
}
