import { littleEndian, pushText, readAttributes, readText } from '../../base/linux/netlink/attributes.ts';
import { type NftExpression, writeExpressions } from '../../base/linux/netlink/nft-expression.ts';
import { writeNewChain, writeNewRule, writeNewTable } from '../../base/linux/netlink/nft-messages.ts';
import { nftFamily } from '../../base/linux/netlink/nft-socket.ts';
import { NftTables, orUnsupported } from '../../base/linux/netlink/nft-tables.ts';
import { flag, NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import { ownerComment } from '../../base/rules/owner.ts';
import type { LinkGuard } from '../model/guard.ts';
import { listArpRules, listEgressRules } from './guard-rules.ts';

/** `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE`. */
const getRule = 0xa07;
const ruleAttribute = { table: 1, expressions: 4 } as const;
/** `NF_NETDEV_EGRESS`; `NF_ARP_IN` is 0. */
const egressHook = 1;
/** After every other chain of the hook, so that no other rule can change a packet afterwards. */
const lastPriority = 0x7fffffff;
const chainName = 'guard';

/** A table with its only chain. */
interface GuardTable {
  readonly family: number;
  readonly hook: { readonly number: number; readonly priority: number; readonly device?: string };
  readonly rules: readonly (readonly NftExpression[])[];
  /** What the kernel lacks if it rejects the table, and the consequence. */
  readonly without: string;
}

function listTables(guard: LinkGuard, mac: string): GuardTable[] {
  const macBytes = Buffer.from(mac.replaceAll(':', ''), 'hex');
  return [
    {
      family: nftFamily.netdev,
      hook: { number: egressHook, priority: lastPriority, device: guard.link },
      rules: listEgressRules(guard, macBytes),
      without:
        `The kernel has no egress hook for ${guard.link} (Linux 5.16, CONFIG_NETFILTER_EGRESS): ` +
        'only the rules after routing keep packets with another source address from leaving',
    },
    {
      family: nftFamily.arp,
      hook: { number: 0, priority: 0 },
      rules: listArpRules(guard),
      without: `The kernel cannot filter ARP (CONFIG_NF_TABLES_ARP): other interfaces may answer for the addresses of ${guard.link}`,
    },
  ].filter(({ rules }) => rules.length > 0);
}

/**
 * Returns whether the kernel accepts a table of the guard, tested on the link `lo` of an empty namespace. Throws
 * {@link NetlinkError}.
 */
function tryTable(guard: LinkGuard, mac: string, family: number): boolean {
  const onLoopback = { ...guard, link: 'lo' };
  const table = listTables(onLoopback, mac).find((one) => one.family === family);
  const tables = new NftTables();
  try {
    return table !== undefined && tables.replace(family, nameOf(onLoopback), writeTable(onLoopback, table));
  } finally {
    tables.close();
  }
}

/** Returns the name of both tables. */
function nameOf({ link }: Pick<LinkGuard, 'link'>): string {
  return `egress-router-${link}`;
}

/**
 * Installs the guard of an existing link and replaces any previous table of its name. Returns the parts that the
 * kernel does not support, one sentence each. Throws {@link NetlinkError}.
 *
 * @param mac the link's hardware address, `aa:bb:…`
 */
export function installGuard(tables: NftTables, guard: LinkGuard, mac: string): string[] {
  return listTables(guard, mac).flatMap((table) => {
    const done = tables.replace(table.family, nameOf(guard), writeTable(guard, table));
    return done ? [] : [table.without];
  });
}

function writeTable(guard: LinkGuard, { family, hook, rules }: GuardTable): Buffer[] {
  const table = { family, name: nameOf(guard) };
  const { number, priority, device } = hook;
  const base = { name: chainName, type: 'filter', hook: number, priority } as const;
  return [
    writeNewTable(table, ownerComment(guard.owner)),
    writeNewChain(table, { ...base, ...(device !== undefined && { device }) }),
    ...rules.map((expressions) => writeNewRule(table, chainName, expressions)),
  ];
}

/**
 * Removes the guard of a link if it belongs to the owner. A missing guard is not an error. Throws {@link
 * NetlinkError}.
 */
export function removeGuard(tables: NftTables, link: string, owner: string): void {
  tables.commit(listGuardRemovals(tables, link, owner));
}

/** Returns the messages of {@link removeGuard}. Throws {@link NetlinkError}. */
export function listGuardRemovals(tables: NftTables, link: string, owner: string): Buffer[] {
  return tables.listRemovals([nftFamily.netdev, nftFamily.arp], nameOf({ link }), owner);
}

/**
 * Returns the differences between the installed and the expected guard, one line each. `isPossible` checks whether
 * the kernel supports a missing part. Throws {@link NetlinkError}.
 */
export function compareGuard(guard: LinkGuard, mac: string, isPossible: (install: () => boolean) => boolean): string[] {
  return listTables(guard, mac).flatMap((table) => {
    const { family, rules } = table;
    const word = family === nftFamily.arp ? 'arp' : 'netdev';
    const actual = orUnsupported(() => listRuleKeys(family, nameOf(guard)));
    const expected = rules.map((expressions) => keyOf(writeExpressions(expressions)));
    if (actual !== undefined && expected.join() === actual.join()) return [];
    if ((actual ?? []).length === 0 && !isPossible(() => tryTable(guard, mac, family))) return [];
    return [`rules of table ${word} ${nameOf(guard)} are missing or were changed`];
  });
}

function listRuleKeys(family: number, table: string): string[] {
  const netfilter = new NetlinkSocket(netlinkFamily.netfilter);
  try {
    return netfilter
      .request(getRule, flag.dump, (out) => {
        out.emit(Buffer.from([family, 0, 0, 0]));
        pushText(out, ruleAttribute.table, table);
      })
      .flatMap(({ data }) => {
        const attributes = readAttributes(data.subarray(4));
        if (readText(attributes, ruleAttribute.table) !== table) return [];
        return [keyOf(attributes.get(ruleAttribute.expressions) ?? Buffer.alloc(0))];
      });
  } finally {
    netfilter.close();
  }
}

/** Returns the identity of a rule: its expressions without counter values. */
function keyOf(expressions: Buffer): string {
  const keys: string[] = [];
  for (let rest = expressions; rest.length >= 4; ) {
    const length = (new DataView(rest.buffer, rest.byteOffset, 2).getUint16(0, littleEndian) + 3) & ~3;
    const parts = readAttributes(rest.subarray(4, length));
    const name = readText(parts, 1) ?? '';
    // The order of an expression's attributes depends on the kernel version.
    const values = [...readAttributes(parts.get(2) ?? Buffer.alloc(0))].sort(([one], [other]) => one - other);
    keys.push(
      name === 'counter'
        ? name
        : `${name} ${values.map(([kind, value]) => `${kind}=${value.toString('hex')}`).join(' ')}`,
    );
    rest = rest.subarray(length);
  }
  return keys.join(' ');
}
