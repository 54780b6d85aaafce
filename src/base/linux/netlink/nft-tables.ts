import type { NftElement } from '../../rules/nftables/element.ts';
import { pushText, readAttributes } from './attributes.ts';
import { NftSocket, writeNftMessage } from './nft-socket.ts';
import { NftWriter } from './nft-writer.ts';
import { ElementSocket } from './nftables.ts';
import { NetlinkError, type NetlinkReply, NetlinkSocket, netlinkFamily } from './socket.ts';

/** `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_*`. */
const type = { getTable: 0xa01, deleteTable: 0xa02 } as const;
const tableAttribute = { name: 1, userdata: 6 } as const;

/** Error codes of kernels without the hook, the family or nf_tables, or without the requested table. */
const unsupported = new Set(['EOPNOTSUPP', 'ENOTSUP', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EINVAL', 'ENOENT']);

/** Returns the result, or undefined if the kernel does not support the operation or lacks the object. */
export function orUnsupported<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof NetlinkError && unsupported.has(error.code)) return undefined;
    throw error;
  }
}

/**
 * Returns whether the current network namespace has a table; false if the kernel lacks nf_tables. Throws {@link
 * NetlinkError}.
 */
export function hasTable(family: number, name: string): boolean {
  const socket = new NetlinkSocket(netlinkFamily.netfilter);
  try {
    return orUnsupported(() => requestTable(socket, family, name)) !== undefined;
  } finally {
    socket.close();
  }
}

/** Returns the kernel's reply for a table. Throws {@link NetlinkError} with the code `ENOENT` if there is none. */
function requestTable(socket: NetlinkSocket, family: number, name: string): NetlinkReply | undefined {
  const [reply] = socket.request(type.getTable, 0, (out) => {
    out.emit(Buffer.from([family, 0, 0, 0]));
    pushText(out, tableAttribute.name, name);
  });
  return reply;
}

/**
 * Manages whole tables of nf_tables in the namespace of the first access. Closing a socket after a deletion waits for
 * a grace period, so the socket stays open until the end and the wait overlaps with other work.
 */
export class NftTables {
  #socket: NftSocket | undefined;
  #reader: NetlinkSocket | undefined;
  #elements: ElementSocket | undefined;

  /**
   * Commits the messages. If they create a table that exists, the same transaction deletes the old one: a previous
   * owner left it under our name without a state file. Returns false if the kernel does not support it. Throws {@link
   * NetlinkError}.
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
   * Returns messages that delete the existing tables of a name that belong to the owner or have no owner. Throws
   * {@link NetlinkError}.
   */
  listRemovals(families: readonly number[], name: string, owner: string): Buffer[] {
    const present = families.filter((family) => {
      const found = orUnsupported(() => this.#readOwner(family, name));
      return found !== undefined && (found === '' || found === owner);
    });
    return present.map((family) => writeDeletion(family, name));
  }

  /** Like {@link NftSocket.commit}. */
  commit(messages: readonly Buffer[]): void {
    if (messages.length > 0) this.#open().commit(messages);
  }

  /** Like {@link ElementSocket.change}. */
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

  /** Returns the owner in a table's comment, or an empty string if there is none. Throws {@link NetlinkError}. */
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
