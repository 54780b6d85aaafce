import { type NftExpression, writeRuleExpressions } from './nft-expression.ts';
import { writeNftMessage } from './nft-socket.ts';
import { NftWriter } from './nft-writer.ts';
import { flag } from './socket.ts';

/** `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_*`. */
const type = { newTable: 0xa00, newChain: 0xa03, newRule: 0xa06, newSet: 0xa09 } as const;
/** `NFTA_*` (`<linux/netfilter/nf_tables.h>`). */
const tableAttribute = { name: 1, userdata: 6 } as const;
const chainAttribute = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const;
const hookAttribute = { number: 1, priority: 2, device: 3 } as const;
const ruleAttribute = { table: 1, chain: 2, expressions: 4 } as const;
const setAttribute = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keyLength: 5,
  dataType: 6,
  dataLength: 7,
  id: 10,
  userdata: 13,
} as const;
/** `NFT_SET_MAP`. */
const isMap = 0x8;
/** `NF_ACCEPT`. */
const accept = 1;

/** Identifies a table. */
export interface TableKey {
  readonly family: number;
  readonly name: string;
}

/** A base chain with the policy accept. */
export interface BaseChain {
  readonly name: string;
  readonly type: 'filter' | 'route' | 'nat';
  readonly hook: number;
  readonly priority: number;
  /** For device hooks only. */
  readonly device?: string;
}

/** Creates a table. Fails if the name exists. */
export function writeNewTable({ family, name }: TableKey, comment: string): Buffer {
  return message(type.newTable, flag.create | flag.exclusive, family, (out) => {
    out.text(tableAttribute.name, name);
    // A comment in nft's format: type 0, length, text.
    const text = Buffer.from(`${comment}\0`);
    out.bytes(tableAttribute.userdata, Buffer.concat([Buffer.from([0, text.length]), text]));
  });
}

/** Creates a base chain. Fails if the name exists. */
export function writeNewChain(table: TableKey, chain: BaseChain): Buffer {
  return message(type.newChain, flag.create | flag.exclusive, table.family, (out) => {
    out.text(chainAttribute.table, table.name);
    out.text(chainAttribute.name, chain.name);
    const nest = out.begin(chainAttribute.hook);
    out.number(hookAttribute.number, chain.hook);
    out.number(hookAttribute.priority, chain.priority);
    if (chain.device !== undefined) out.text(hookAttribute.device, chain.device);
    out.end(nest);
    out.number(chainAttribute.policy, accept);
    out.text(chainAttribute.type, chain.type);
  });
}

/** Appends a rule to a chain. */
export function writeNewRule(table: TableKey, chain: string, expressions: readonly NftExpression[]): Buffer {
  return message(type.newRule, flag.create | flag.append, table.family, (out) => {
    out.text(ruleAttribute.table, table.name);
    out.text(ruleAttribute.chain, chain);
    writeRuleExpressions(out, ruleAttribute.expressions, expressions);
  });
}

/** Types of a map's keys and values, with nft's type numbers and their lengths in bytes. */
export interface MapTypes {
  readonly key: { readonly type: number; readonly length: number };
  readonly data: { readonly type: number; readonly length: number };
}

/** Creates a map. `id` is unique among the sets of the transaction. */
export function writeNewMap(table: TableKey, name: string, id: number, { key, data }: MapTypes): Buffer {
  return message(type.newSet, flag.create, table.family, (out) => {
    out.text(setAttribute.table, table.name);
    out.text(setAttribute.name, name);
    out.number(setAttribute.flags, isMap);
    out.number(setAttribute.keyType, key.type);
    out.number(setAttribute.keyLength, key.length);
    out.number(setAttribute.dataType, data.type);
    out.number(setAttribute.dataLength, data.length);
    out.number(setAttribute.id, id);
    out.bytes(setAttribute.userdata, byteOrders);
  });
}

/** Byte orders for nft's listing (`NFTNL_UDATA_SET_*`): keys use network byte order; concatenated values have none. */
const byteOrders = Buffer.concat([
  Uint8Array.of(0, 4),
  new Uint8Array(Uint32Array.of(2).buffer),
  Uint8Array.of(1, 4),
  new Uint8Array(Uint32Array.of(0).buffer),
]);

/** Shared, because a buffer for each of a hundred rules triggers garbage collection during an ADD. */
const scratch = new NftWriter();

function message(kind: number, flags: number, family: number, write: (out: NftWriter) => void): Buffer {
  scratch.clear();
  write(scratch);
  return writeNftMessage(kind, flags, family, scratch.take());
}
