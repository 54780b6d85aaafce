import { closeSync, readSync, writeSync } from 'node:fs';
import { formatHeader, HEADER_LENGTH, parseMessages, readS32 } from 'netlink/dist/structs.js';
import {
  isInterval,
  type NftElement,
  type NftField,
  writeFieldBytes,
  writeLastKeyBytes,
} from '../../../rules/nftables/element.ts';
import { errnoName, openSocket, setSocketOption } from '../libc/calls.ts';
import { explanationOf, flag, NetlinkError, netlinkFamily } from './socket.ts';

/** `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_*`, `NFNL_MSG_BATCH_*` (`<linux/netfilter/nfnetlink.h>`). */
const type = { begin: 0x10, end: 0x11, newElements: 0xa0c, deleteElements: 0xa0e } as const;
/** `NFTA_SET_ELEM_LIST_*`, `NFTA_SET_ELEM_*`, `NFTA_DATA_*`, `NFTA_VERDICT_*` (`<linux/netfilter/nf_tables.h>`). */
const attribute = {
  list: { table: 1, set: 2, elements: 3 },
  item: 1,
  element: { key: 1, data: 2, keyEnd: 10 },
  data: { value: 1, verdict: 2 },
  verdict: { code: 1, chain: 2 },
} as const;
/** `NFT_GOTO`. */
const gotoCode = -4;
const nested = 0x8000;
/** `NFPROTO_INET`. */
const inetFamily = 1;
const subsystem = 10;

/** An attribute's length is a 16-bit number: a longer list of elements is a second message. */
const longestList = 60_000;

/**
 * Changes elements of one table of family `inet`, in one transaction of the kernel: all of them or
 * none. `nft` does the same, but its start alone costs more than the change, and its end waits for
 * a grace period.
 *
 * The socket belongs to the network namespace in which it was opened.
 */
export class ElementSocket {
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

  /**
   * Takes elements away and then adds others. Throws {@link NetlinkError}, and then nothing changed.
   *
   * @param table its name, without the family
   */
  change(table: string, gone: Iterable<NftElement>, come: Iterable<NftElement>): void {
    const deletions = writeLists(table, type.deleteElements, flag.request, gone);
    const additions = writeLists(table, type.newElements, flag.request | flag.create, come);
    if (deletions.length + additions.length === 0) return;
    const batch = Buffer.concat([writeMark(type.begin), ...deletions, ...additions, writeMark(type.end)]);
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

/** Messages with the elements of each collection, as few as can be. */
function writeLists(table: string, which: number, flags: number, elements: Iterable<NftElement>): Buffer[] {
  const messages: Buffer[] = [];
  const open = new Map<string, ElementList>();
  for (const element of elements) {
    let list = open.get(element.collection);
    if (list === undefined) {
      list = new ElementList();
      open.set(element.collection, list);
    }
    list.push(element, which === type.newElements);
    if (list.length < longestList) continue;
    messages.push(writeMessage(which, flags, table, element.collection, list.take()));
  }
  for (const [collection, list] of open) {
    if (list.length > 0) messages.push(writeMessage(which, flags, table, collection, list.take()));
  }
  return messages;
}

function writeMessage(which: number, flags: number, table: string, collection: string, items: Buffer): Buffer {
  const payload = Buffer.concat([
    Buffer.from([inetFamily, 0, 0, 0]),
    writeText(attribute.list.table, table),
    writeText(attribute.list.set, collection),
    writeAttributeHead(attribute.list.elements | nested, items.length),
    items,
  ]);
  const header = { length: HEADER_LENGTH + payload.length, type: which, flags, seq: 1, port: 0 };
  return Buffer.concat([formatHeader(header), payload]);
}

function writeAttributeHead(kind: number, length: number): Buffer {
  const head = new Uint16Array([length + 4, kind]);
  return Buffer.from(head.buffer);
}

function writeText(kind: number, text: string): Buffer {
  const bytes = Buffer.from(`${text}\0`);
  return Buffer.concat([writeAttributeHead(kind, bytes.length), bytes, Buffer.alloc(-bytes.length & 3)]);
}

/** Elements as `NFTA_SET_ELEM_LIST_ELEMENTS` holds them, written straight into one buffer: there can be 100,000. */
class ElementList {
  readonly #buffer = Buffer.allocUnsafe(64 * 1024);
  readonly #words = new Uint16Array(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length / 2);
  length = 0;

  push(element: NftElement, withValue: boolean): void {
    const start = this.#begin(attribute.item | nested);
    this.#pushFields(attribute.element.key, element.key);
    if (isInterval(element)) {
      const end = this.#begin(attribute.element.keyEnd | nested);
      const value = this.#begin(attribute.data.value);
      this.length = writeLastKeyBytes(element, this.#buffer, this.length);
      this.#end(value);
      this.#end(end);
    }
    const { value } = element;
    if (withValue && value !== undefined) {
      if ('goto' in value) this.#pushGoto(value.goto);
      else this.#pushFields(attribute.element.data, value);
    }
    this.#end(start);
  }

  /** All that was pushed; the list is empty then. */
  take(): Buffer {
    const items = Buffer.from(this.#buffer.subarray(0, this.length));
    this.length = 0;
    return items;
  }

  #pushFields(kind: number, fields: readonly NftField[]): void {
    const start = this.#begin(kind | nested);
    const value = this.#begin(attribute.data.value);
    this.length = writeFieldBytes(fields, this.#buffer, this.length);
    this.#end(value);
    this.#end(start);
  }

  #pushGoto(chain: string): void {
    const data = this.#begin(attribute.element.data | nested);
    const verdict = this.#begin(attribute.data.verdict | nested);
    const code = Buffer.alloc(4);
    code.writeInt32BE(gotoCode);
    this.#pushBytes(attribute.verdict.code, code);
    this.#pushBytes(attribute.verdict.chain, Buffer.from(`${chain}\0`));
    this.#end(verdict);
    this.#end(data);
  }

  #pushBytes(kind: number, bytes: Uint8Array): void {
    const start = this.#begin(kind);
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
    this.#end(start);
  }

  #begin(kind: number): number {
    const start = this.length;
    this.#words[start / 2 + 1] = kind;
    this.length += 4;
    return start;
  }

  /** Sets an attribute's length and pads it to 32 bits. */
  #end(start: number): void {
    this.#words[start / 2] = this.length - start;
    while ((this.length & 3) !== 0) this.#buffer[this.length++] = 0;
  }
}
