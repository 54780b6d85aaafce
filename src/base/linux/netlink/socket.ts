import { closeSync, readSync, writeSync } from 'node:fs';
import { AttrStream, formatHeader, HEADER_LENGTH, parseMessages, readS32 } from 'netlink/dist/structs.js';
import { errnoName, openSocket, setSocketOption } from '../libc/calls.ts';

/** Netlink families in use (`<linux/netlink.h>`). */
export const netlinkFamily = { route: 0, netfilter: 12 } as const;

/** Message flags (`<linux/netlink.h>`). */
export const flag = {
  request: 0x1,
  ack: 0x4,
  exclusive: 0x200,
  replace: 0x100,
  create: 0x400,
  append: 0x800,
  dump: 0x300,
} as const;

const messageType = { noop: 1, error: 2, done: 3 } as const;
const headerFlag = { dumpInterrupted: 0x10, capped: 0x100, tlvs: 0x200 } as const;

/** An error reply of the kernel. `code` is libc's error name; the message contains the kernel's explanation, if any. */
export class NetlinkError extends Error {
  readonly code: string;

  constructor(code: string, explanation: string | undefined) {
    super(explanation === undefined ? code : `${code} (${explanation})`);
    this.name = 'NetlinkError';
    this.code = code;
  }
}

/** One message of a reply: its type, and its payload after the header. */
export interface NetlinkReply {
  readonly type: number;
  readonly data: Buffer;
}

/** Writes the payload of a request. */
export type WriteRequest = (out: AttrStream) => void;

/**
 * A blocking netlink socket, bound to the network namespace in which it was opened. The codecs come from the
 * `netlink` package. The package's own sockets are asynchronous and need a native addon, which a single executable
 * cannot contain.
 */
export class NetlinkSocket {
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafe(64 * 1024);
  #sequence = 1;

  constructor(family: number) {
    const netlinkDomain = 16;
    const rawSocket = 3;
    this.#fd = openSocket(netlinkDomain, rawSocket, family);
    const netlinkLevel = 270;
    const on = Buffer.from([1, 0, 0, 0]);
    // NETLINK_CAP_ACK and NETLINK_EXT_ACK: errors without a copy of the request, but with the kernel's explanation.
    for (const option of [10, 11]) setSocketOption(this.#fd, netlinkLevel, option, on);
    // A kernel that does not reply must not block a pod's start forever: 10 s (struct timeval).
    const timeout = Buffer.alloc(16);
    timeout.writeUInt8(10, 0);
    const socketLevel = 1;
    const receiveTimeout = 20;
    setSocketOption(this.#fd, socketLevel, receiveTimeout, timeout);
  }

  /** Makes the kernel check dump requests strictly and apply their filters (`NETLINK_GET_STRICT_CHK`). */
  checkStrictly(): void {
    setSocketOption(this.#fd, 270, 12, Buffer.from([1, 0, 0, 0]));
  }

  /**
   * Sends one request and returns the messages of its reply. A request with `flag.dump` returns all parts, and is
   * repeated if the kernel reports that the data changed during the dump. Throws {@link NetlinkError}.
   */
  request(type: number, flags: number, write: WriteRequest): NetlinkReply[] {
    for (let attempt = 1; ; attempt++) {
      const { replies, interrupted } = this.#exchange(type, flags, write);
      if (!interrupted || attempt === 10) return replies;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Receives one datagram. With a timeout set, a signal interrupts the wait even if its handler requests a restart. */
  #receive(): number {
    for (;;) {
      try {
        return readSync(this.#fd, this.#buffer);
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'EINTR') throw error;
      }
    }
  }

  /**
   * Like {@link request}, but yields the parts of a reply as they arrive and lets other work run in between. A reply
   * that changed meanwhile is not requested again. The socket accepts no other request until the end. Throws {@link
   * NetlinkError}.
   */
  async *requestInSteps(type: number, flags: number, write: WriteRequest): AsyncGenerator<NetlinkReply[]> {
    const sequence = this.#send(type, flags, write);
    for (;;) {
      const { replies, isLast } = this.#receivePart(sequence);
      yield replies;
      if (isLast) return;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  #exchange(type: number, flags: number, write: WriteRequest): { replies: NetlinkReply[]; interrupted: boolean } {
    const sequence = this.#send(type, flags, write);
    const replies: NetlinkReply[] = [];
    let interrupted = false;
    for (;;) {
      const part = this.#receivePart(sequence);
      replies.push(...part.replies);
      interrupted ||= part.interrupted;
      if (part.isLast) return { replies, interrupted };
    }
  }

  /** Sends a request and returns its sequence number. */
  #send(type: number, flags: number, write: WriteRequest): number {
    const sequence = this.#sequence++;
    const out = new AttrStream();
    write(out);
    const payload = Buffer.concat(out.bufs);
    const dump = (flags & flag.dump) === flag.dump;
    const header = formatHeader({
      length: HEADER_LENGTH + payload.length,
      type,
      flags: flags | flag.request | (dump ? 0 : flag.ack),
      seq: sequence,
      port: 0,
    });
    writeSync(this.#fd, Buffer.concat([header, payload]));
    return sequence;
  }

  /** Receives one datagram of the reply to a request. */
  #receivePart(sequence: number): { replies: NetlinkReply[]; interrupted: boolean; isLast: boolean } {
    const received = this.#receive();
    const replies: NetlinkReply[] = [];
    let interrupted = false;
    for (const message of parseMessages(Buffer.from(this.#buffer.subarray(0, received)))) {
      if (message.seq !== sequence) continue;
      interrupted ||= (message.flags & headerFlag.dumpInterrupted) !== 0;
      if (message.type === messageType.done) return { replies, interrupted, isLast: true };
      if (message.type === messageType.error) {
        throwRefusal(message.data, message.flags);
        return { replies, interrupted, isLast: true };
      }
      if (message.type !== messageType.noop) replies.push({ type: message.type, data: message.data });
    }
    return { replies, interrupted, isLast: false };
  }
}

function throwRefusal(data: Buffer, flags: number): void {
  const errno = -readS32.call(data, 0);
  if (errno === 0) return;
  throw new NetlinkError(errnoName(errno), explanationOf(data, flags));
}

/** Returns the kernel's explanation of an error (NLMSGERR_ATTR_MSG), if any. */
export function explanationOf(data: Buffer, flags: number): string | undefined {
  if ((flags & headerFlag.tlvs) === 0 || (flags & headerFlag.capped) === 0) return undefined;
  let rest = data.subarray(4 + HEADER_LENGTH);
  while (rest.length >= 4) {
    const length = rest.readUInt16LE(0);
    if (length < 4) return undefined;
    if ((rest.readUInt16LE(2) & 0x3fff) === 1) return rest.toString('utf8', 4, length - 1);
    rest = rest.subarray((length + 3) & ~3);
  }
  return undefined;
}
