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
 * Transactions of nf_tables over netlink, which succeed or fail as a whole. `nft` does the same, but its start alone
 * costs more than most changes, and its exit waits for a grace period.
 *
 * The socket belongs to the network namespace in which it was opened. Closing it after a deletion waits for a grace
 * period unless that has already ended.
 */
export class NftSocket {
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafe(64 * 1024);

  /** Throws a system call's error if the kernel lacks nfnetlink. */
  constructor() {
    const netlinkDomain = 16;
    const rawSocket = 3;
    const nonBlocking = 0o4000;
    this.#fd = openSocket(netlinkDomain, rawSocket | nonBlocking, netlinkFamily.netfilter);
    // NETLINK_CAP_ACK and NETLINK_EXT_ACK: errors without a copy of the request, but with the kernel's explanation.
    for (const option of [10, 11]) setSocketOption(this.#fd, 270, option, Buffer.from([1, 0, 0, 0]));
  }

  /** Commits the messages in one transaction. Throws {@link NetlinkError}, in which case nothing has changed. */
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

  /** The kernel accepts a transaction only as one datagram. */
  #allowDatagram(length: number): void {
    const socketLevel = 1;
    const sendBufferForce = 32;
    const size = Int32Array.of(Math.max(212_992, length + 4096));
    setSocketOption(this.#fd, socketLevel, sendBufferForce, new Uint8Array(size.buffer));
  }

  /** When the send returns, all errors of a batch are available. The kernel does not confirm success. */
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
  // res_id is the subsystem, in network byte order.
  const payload = Buffer.from([0, 0, 0, subsystem]);
  const header = { length: HEADER_LENGTH + payload.length, type: which, flags: flag.request, seq: 0, port: 0 };
  return Buffer.concat([formatHeader(header), payload]);
}

/** Builds one message of a transaction; `body` contains its attributes. */
export function writeNftMessage(type: number, flags: number, family: number, ...body: readonly Buffer[]): Buffer {
  const payload = Buffer.concat([Buffer.from([family, 0, 0, 0]), ...body]);
  const header = { length: HEADER_LENGTH + payload.length, type, flags: flags | flag.request, seq: 1, port: 0 };
  return Buffer.concat([formatHeader(header), payload]);
}
