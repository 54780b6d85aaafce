import { readFileSync } from 'node:fs';
import { pushText, readAttributes, readText } from '../../base/linux/netlink/attributes.ts';
import { writeNftMessage } from '../../base/linux/netlink/nft-socket.ts';
import { orUnsupported } from '../../base/linux/netlink/nft-tables.ts';
import { NftWriter } from '../../base/linux/netlink/nft-writer.ts';
import { flag, NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import { chainPrefix } from '../../base/rules/iptables/lower.ts';

/** `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_*`. */
const type = { getChain: 0xa04, deleteChain: 0xa05, getRule: 0xa07, deleteRule: 0xa08 } as const;
const chainAttribute = { table: 1, name: 3 } as const;
const ruleAttribute = { table: 1, chain: 2, handle: 3, expressions: 4 } as const;
/** `NFPROTO_IPV4`, `NFPROTO_IPV6`: tables of iptables and ip6tables. */
const families = [2, 10] as const;
const builtins = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;

/** One of our chains in a table that iptables-nft created. */
interface OwnChain {
  readonly table: string;
  readonly name: string;
}

/** A rule of a built-in chain that jumps to one of ours. */
interface OwnHook {
  readonly table: string;
  readonly chain: string;
  readonly handle: Buffer;
  readonly owner: string | undefined;
}

/**
 * Returns the messages that remove the rules that iptables-nft installed under a name, if they belong to the owner,
 * in one transaction for both families. Its own tools would wait for the kernel one after another. Throws {@link
 * NetlinkError}.
 */
export function listChainRemovals(name: string, owner: string): Buffer[] {
  return orUnsupported(() => listRemovals(name, owner)) ?? [];
}

/** Returns whether iptables-legacy has tables in the current network namespace. */
export function hasLegacyTables(): boolean {
  return ['ip_tables_names', 'ip6_tables_names'].some((file) => {
    try {
      return readFileSync(`/proc/thread-self/net/${file}`, 'utf8') !== '';
    } catch {
      return false;
    }
  });
}

function listRemovals(name: string, owner: string): Buffer[] {
  const netfilter = new NetlinkSocket(netlinkFamily.netfilter);
  try {
    return families.flatMap((family) => {
      const chains = listChains(netfilter, family, `${chainPrefix}${name}-`);
      const hooks = [...new Set(chains.map(({ table }) => table))].flatMap((table) =>
        builtins.flatMap((chain) => listHooks(netfilter, family, table, chain, `${chainPrefix}${name}-`)),
      );
      // Chains without a hook remain after an interrupted removal.
      if (hooks.some((hook) => hook.owner !== undefined && hook.owner !== owner)) return [];
      return writeRemoval(family, chains, hooks);
    });
  } finally {
    netfilter.close();
  }
}

function listChains(netfilter: NetlinkSocket, family: number, prefix: string): OwnChain[] {
  return netfilter
    .request(type.getChain, flag.dump, (out) => out.emit(Buffer.from([family, 0, 0, 0])))
    .flatMap(({ data }) => {
      const attributes = readAttributes(data.subarray(4));
      const [table, name] = [readText(attributes, chainAttribute.table), readText(attributes, chainAttribute.name)];
      return table !== undefined && name?.startsWith(prefix) === true ? [{ table, name }] : [];
    });
}

function listHooks(netfilter: NetlinkSocket, family: number, table: string, chain: string, prefix: string): OwnHook[] {
  return netfilter
    .request(type.getRule, flag.dump, (out) => {
      out.emit(Buffer.from([family, 0, 0, 0]));
      pushText(out, ruleAttribute.table, table);
      pushText(out, ruleAttribute.chain, chain);
    })
    .flatMap(({ data }) => {
      const attributes = readAttributes(data.subarray(4));
      const text = attributes.get(ruleAttribute.expressions)?.toString('latin1') ?? '';
      const handle = attributes.get(ruleAttribute.handle);
      if (!text.includes(`\0${prefix}`) || handle === undefined) return [];
      if (readText(attributes, ruleAttribute.chain) !== chain) return [];
      return [{ table, chain, handle, owner: /egress-router ([^\0]+)/.exec(text)?.[1] }];
    });
}

/** Removes the jumps to the chains first, then their rules, then the chains. */
function writeRemoval(family: number, chains: readonly OwnChain[], hooks: readonly OwnHook[]): Buffer[] {
  const message = (kind: number, write: (out: NftWriter) => void): Buffer => {
    const out = new NftWriter();
    write(out);
    return writeNftMessage(kind, 0, family, out.take());
  };
  return [
    ...hooks.map(({ table, chain, handle }) =>
      message(type.deleteRule, (out) => {
        out.text(ruleAttribute.table, table);
        out.text(ruleAttribute.chain, chain);
        out.bytes(ruleAttribute.handle, handle);
      }),
    ),
    ...chains.map(({ table, name }) =>
      message(type.deleteRule, (out) => {
        out.text(ruleAttribute.table, table);
        out.text(ruleAttribute.chain, name);
      }),
    ),
    ...chains.map(({ table, name }) =>
      message(type.deleteChain, (out) => {
        out.text(chainAttribute.table, table);
        out.text(chainAttribute.name, name);
      }),
    ),
  ];
}
