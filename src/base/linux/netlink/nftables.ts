import {
  isInterval,
  type NftElement,
  type NftField,
  writeFieldBytes,
  writeLastKeyBytes,
} from '../../rules/nftables/element.ts';
import { NftSocket, nftFamily, writeNftMessage } from './nft-socket.ts';
import { flag } from './socket.ts';

/** `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_*`. */
const type = { newElements: 0xa0c, deleteElements: 0xa0e } as const;
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

/** Attribute lengths have 16 bits, so a longer list needs another message. */
const longestList = 60_000;

/**
 * Changes elements of one table of family `inet` in one atomic transaction. The socket belongs to the network
 * namespace in which it was opened.
 */
export class ElementSocket {
  readonly #socket: NftSocket;

  /** Throws a system call's error if the kernel lacks nfnetlink. */
  constructor() {
    this.#socket = new NftSocket();
  }

  /**
   * Removes elements and then adds others. Throws {@link NetlinkError}, in which case nothing has changed.
   *
   * @param table its name, without the family
   */
  change(table: string, gone: Iterable<NftElement>, come: Iterable<NftElement>): void {
    const deletions = writeLists(table, type.deleteElements, 0, gone);
    this.#socket.commit([...deletions, ...writeElements(table, come)]);
  }

  close(): void {
    this.#socket.close();
  }
}

/** Returns the messages that add elements to a table of family `inet`. */
export function writeElements(table: string, elements: Iterable<NftElement>): Buffer[] {
  return writeLists(table, type.newElements, flag.create, elements);
}

/** Returns as few messages as possible with the elements of each collection. */
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
  return writeNftMessage(
    which,
    flags,
    nftFamily.inet,
    writeText(attribute.list.table, table),
    writeText(attribute.list.set, collection),
    writeAttributeHead(attribute.list.elements | nested, items.length),
    items,
  );
}

function writeAttributeHead(kind: number, length: number): Buffer {
  const head = new Uint16Array([length + 4, kind]);
  return Buffer.from(head.buffer);
}

function writeText(kind: number, text: string): Buffer {
  const bytes = Buffer.from(`${text}\0`);
  return Buffer.concat([writeAttributeHead(kind, bytes.length), bytes, Buffer.alloc(-bytes.length & 3)]);
}

/**
 * The content of `NFTA_SET_ELEM_LIST_ELEMENTS`, written directly into one buffer, because there can be 100,000
 * elements.
 */
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

  /** Returns everything pushed and empties the list. */
  take(): Buffer {
    const items = Buffer.from(this.#buffer.subarray(0, this.length));
    this.length = 0;
    return items;
  }

  #pushFields(kind: number, fields: readonly NftField[]): void {
    const start = this.#begin(kind | nested);
    const value = this.#begin(attribute.data.value);
    const begin = this.length;
    this.length = writeFieldBytes(fields, this.#buffer, begin);
    // Only concatenated fields are padded.
    if (fields.length === 1 && fields[0]?.type === 'inet_service') this.length = begin + 2;
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
