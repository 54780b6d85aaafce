import { readFileSync } from 'node:fs';
import { execa } from 'execa';
import { findTool } from '../../../base/linux/rule-tools.ts';
import type { Family } from '../../../base/model/address.ts';

/** Timeout in milliseconds, and maximum output of a program in bytes. */
const limits = { timeout: 20_000, maxBuffer: 16 * 1024 * 1024 } as const;

/**
 * Lists the nftables tables of other programs with a base chain in the hook `forward`, in the format of `nft -j`,
 * without elements of sets. Undefined if they cannot be listed.
 */
export function listForeignTables(): Promise<unknown> {
  return listTables(/\bhook forward\b/, ['-j', '-t']);
}

/**
 * Lists the nftables tables of other programs that translate before routing, with the elements of their sets and
 * maps, which often contain the ports. Undefined if they cannot be listed.
 */
export function listForeignNatTables(): Promise<unknown> {
  return listTables(/\btype nat hook prerouting\b/, ['-j']);
}

/** Reads tables individually, because a list of all would print every element of our own table. */
async function listTables(hook: RegExp, options: readonly string[]): Promise<unknown> {
  const nft = findTool('nft');
  if (nft === undefined) return undefined;
  try {
    const { stdout } = await execa(nft, ['list', 'chains'], limits);
    const listings = [];
    for (const [family, name] of findTables(stdout, hook)) {
      const listed = await execa(nft, [...options, 'list', 'table', family, name], limits);
      listings.push(...((JSON.parse(listed.stdout) as { nftables?: unknown[] }).nftables ?? []));
    }
    return { nftables: listings };
  } catch {
    // A table was deleted in the meantime, or this nft cannot parse its rules; the next read may succeed.
    return undefined;
  }
}

/**
 * Returns the tables `nat` of iptables in the format of `iptables-save` and `ip6tables-save`: of nf_tables, and of
 * the legacy variant if its kernel modules are loaded.
 */
export async function saveForeignNat(): Promise<readonly SavedRules[]> {
  const saved: SavedRules[] = [];
  for (const [family, prefix] of [
    [4, 'ip'],
    [6, 'ip6'],
  ] as const) {
    for (const name of hasLegacyNat(prefix) ? saveTools(prefix) : [`${prefix}tables-save`]) {
      const tool = findTool(name);
      if (tool === undefined) continue;
      try {
        saved.push({ family, text: (await execa(tool, ['-t', 'nat'], limits)).stdout });
      } catch {
        // The kernel does not have that table.
      }
    }
  }
  return saved;
}

function saveTools(prefix: string): readonly string[] {
  return [`${prefix}tables-nft-save`, `${prefix}tables-legacy-save`];
}

/** Only the legacy variant registers its tables in this file. */
function hasLegacyNat(prefix: string): boolean {
  try {
    return readFileSync(`/proc/self/net/${prefix}_tables_names`, 'utf8').split('\n').includes('nat');
  } catch {
    return false;
  }
}

/** Rules of iptables for one family. */
export interface SavedRules {
  readonly family: Family;
  readonly text: string;
}

/** Returns family and name of the tables with a base chain at a hook, except those of agents. */
function findTables(chains: string, hook: RegExp): [family: string, name: string][] {
  return chains.split(/^(?=table )/m).flatMap((text): [string, string][] => {
    const [, family, name] = /^table (\w+) (\S+) \{/.exec(text) ?? [];
    if (family === undefined || name === undefined || name.startsWith('ingress-agent-')) return [];
    return hook.test(text) ? [[family, name]] : [];
  });
}
