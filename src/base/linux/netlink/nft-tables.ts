import type { NftElement } from '../../rules/nftables/element.ts';
import { pushText, readAttributes } from './attributes.ts';
import { NftSocket, writeNftMessage } from './nft-socket.ts';
import { NftWriter } from './nft-writer.ts';
import { ElementSocket } from './nftables.ts';
import { NetlinkError, type NetlinkReply, NetlinkSocket, netlinkFamily } from './socket.ts';

/** `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_*`. */
const type = { getTable: 0xa01, deleteTable: 0xa02 } as const;
const tableAttribute = { name: 1, userdata: 6 } as const;

/** Kernels that have no such hook or family, or no nf_tables, and those that have no such table, say one of these. */
const unsupported = new Set(['EOPNOTSUPP', 'ENOTSUP', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EINVAL', 'ENOENT']);

/** The result, or undefined where the kernel cannot do this, or has not what is asked for. */
export function orUnsupported<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof NetlinkError && unsupported.has(error.code)) return undefined;
    throw error;
  }
}

/**
 * Whether the namespace that the thread is in has a table; false where the kernel has no nf_tables. Throws
 * {@link NetlinkError}.
 */
export function hasTable(family: number, name: string): boolean {
  const socket = new NetlinkSocket(netlinkFamily.netfilter);
  try {
    return orUnsupported(() => requestTable(socket, family, name)) !== undefined;
  } finally {
    socket.close();
  }
}

/** The kernel's reply of a table. Throws {@link NetlinkError} with the code `ENOENT` where there is none. */
function requestTable(socket: NetlinkSocket, family: number, name: string): NetlinkReply | undefined {
  const [reply] = socket.request(type.getTable, 0, (out) => {
    out.emit(Buffer.from([family, 0, 0, 0]));
    pushText(out, tableAttribute.name, name);
  });
  return reply;
}

/**
 * Whole tables of nf_tables, of the namespace that the thread is in when they are first spoken of.
 * The kernel waits for a grace period when a socket is closed by which something was deleted: so it
 * stays open until the end, and what takes long comes in between.
 */
export class NftTables {
  #socket: NftSocket | undefined;
  #reader: NetlinkSocket | undefined;
  #elements: ElementSocket | undefined;

  /**
   * Does what the messages say; where they make a table that is there already, that is deleted in the
   * same transaction: another owner left it under our name, and nobody remembers. False where the
   * kernel cannot do it. Throws {@link NetlinkError}.
   */
  replace(family: number, name: string, messages: readonly Buffer[]): boolean {
    const done = orUnsupported(() => {
      try {
        this.#open().commit(messages);
      } catch (error) {
        if (!(error instanceof NetlinkError) || error.code !== 'EEXIST') throw error;
        this.#open().commit([writeDeletion(family, name), ...messages]);
      }
      return true;
    });
    return done ?? false;
  }

  /**
   * The messages that remove tables of a name, as far as they are there and the owner's, or nobody's.
   * Throws {@link NetlinkError}.
   */
  listRemovals(families: readonly number[], name: string, owner: string): Buffer[] {
    const present = families.filter((family) => {
      const found = orUnsupported(() => this.#readOwner(family, name));
      return found !== undefined && (found === '' || found === owner);
    });
    return present.map((family) => writeDeletion(family, name));
  }

  /** As {@link NftSocket.commit}. */
  commit(messages: readonly Buffer[]): void {
    if (messages.length > 0) this.#open().commit(messages);
  }

  /** As {@link ElementSocket.change}. */
  changeElements(table: string, gone: readonly NftElement[], come: readonly NftElement[]): void {
    this.#elements ??= new ElementSocket();
    this.#elements.change(table, gone, come);
  }

  close(): void {
    this.#socket?.close();
    this.#elements?.close();
    this.#elements = undefined;
    this.#reader?.close();
    this.#socket = undefined;
    this.#reader = undefined;
  }

  /** Whom a table's comment names as its owner; empty where it names nobody. Throws {@link NetlinkError}. */
  #readOwner(family: number, name: string): string {
    this.#reader ??= new NetlinkSocket(netlinkFamily.netfilter);
    const reply = requestTable(this.#reader, family, name);
    const userdata = readAttributes(reply?.data.subarray(4) ?? Buffer.alloc(0)).get(tableAttribute.userdata);
    return /egress-router ([^\0]+)/.exec(userdata?.toString('latin1') ?? '')?.[1] ?? '';
  }

  #open(): NftSocket {
    this.#socket ??= new NftSocket();
    return this.#socket;
  }
}

function writeDeletion(family: number, name: string): Buffer {
  const out = new NftWriter();
  out.text(tableAttribute.name, name);
  return writeNftMessage(type.deleteTable, 0, family, out.take());
}
