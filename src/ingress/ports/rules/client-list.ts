import { hash } from 'node:crypto';
import { addressBytes, containsAddress, formatPrefix, networkOf, type Prefix } from '../../../base/model/address.ts';
import type { NftChain, NftCollection } from '../../../base/rules/nftables/document.ts';
import { families } from './families.ts';

/** A longer list of networks has its own sets, because each network in the shared set slows down all others. */
const longestShared = 32;

/** Networks of an allow-list in the form for the kernel. */
export interface ClientList {
  /** Without duplicates and overlaps. */
  readonly networks: readonly Prefix[];
  /** Chain and sets of a long list, with names that lists with the same networks share. */
  readonly own?: {
    readonly name: string;
    readonly chain: NftChain;
    readonly sets: ReadonlyMap<string, NftCollection>;
  };
}

const known = new WeakMap<readonly Prefix[], ClientList>();

/** Equal lists return the same value. */
export function describeClients(allowed: readonly Prefix[]): ClientList {
  const before = known.get(allowed);
  if (before !== undefined) return before;
  const networks = withoutCovered(allowed);
  const list = networks.length > longestShared ? { networks, own: describeOwn(networks) } : { networks };
  known.set(allowed, list);
  return list;
}

function describeOwn(networks: readonly Prefix[]): NonNullable<ClientList['own']> {
  const id = hash('sha1', networks.map(formatPrefix).join(' ')).slice(0, 16);
  const sets = new Map<string, NftCollection>();
  const rules: string[] = [];
  for (const family of families) {
    const own = networks.filter(({ address }) => address.family === family);
    if (own.length === 0) continue;
    const name = `list${family}-${id}`;
    const elements = new Map(own.map((prefix) => [formatPrefix(prefix), ''] as const));
    sets.set(name, { kind: 'set', head: [`type ipv${family}_addr`, 'flags interval'], elements });
    rules.push(`${family === 4 ? 'ip' : 'ip6'} saddr @${name} accept`);
  }
  rules.push('update @unlisted { meta l4proto . th dport } drop');
  return { name: `list-${id}`, chain: { rules }, sets };
}

/**
 * Removes duplicates and overlaps, which interval sets reject: a network inside another is dropped. Networks are
 * nested or disjoint, so when they are sorted by first address, larger ones first, only the last kept network can
 * cover the next one.
 */
function withoutCovered(prefixes: readonly Prefix[]): Prefix[] {
  const sorted = prefixes
    .map(networkOf)
    .map((prefix) => ({ prefix, bytes: Buffer.from(addressBytes(prefix.address)) }))
    .sort((one, other) => Buffer.compare(one.bytes, other.bytes) || one.prefix.length - other.prefix.length);
  const kept: Prefix[] = [];
  for (const family of families) {
    let cover: Prefix | undefined;
    for (const { prefix } of sorted) {
      if (prefix.address.family !== family) continue;
      if (cover !== undefined && containsAddress(cover, prefix.address)) continue;
      cover = prefix;
      kept.push(prefix);
    }
  }
  return kept;
}
