import { execa } from 'execa';
import { findTool } from '../../../base/linux/rule-tools.ts';
import type { Family } from '../../../base/model/address.ts';

/** Milliseconds, and bytes of what one program prints. */
const limits = { timeout: 20_000, maxBuffer: 16 * 1024 * 1024 } as const;

/**
 * The nftables tables of others with a base chain at a hook, by default `forward`, as `nft -j` lists them. Table by table:
 * a list of all would read every element of our own, too. Undefined where nothing can be listed.
 */
export async function listForeignTables(hook = ' hook forward '): Promise<unknown> {
  const nft = findTool('nft');
  if (nft === undefined) return undefined;
  try {
    const { stdout } = await execa(nft, ['list', 'chains'], limits);
    const listings = [];
    for (const [family, name] of findTables(stdout, hook)) {
      const listed = await execa(nft, ['-j', '-t', 'list', 'table', family, name], limits);
      listings.push(...((JSON.parse(listed.stdout) as { nftables?: unknown[] }).nftables ?? []));
    }
    return { nftables: listings };
  } catch {
    // A table that went meanwhile, or rules that this nft cannot read: the next look may see more.
    return undefined;
  }
}

/** What iptables has in its table `nat`, as `iptables-save` and `ip6tables-save` print it; nothing where there is none. */
export async function saveForeignNat(): Promise<readonly SavedRules[]> {
  const saved: SavedRules[] = [];
  for (const [family, name] of [
    [4, 'iptables-save'],
    [6, 'ip6tables-save'],
  ] as const) {
    const tool = findTool(name);
    if (tool === undefined) continue;
    try {
      saved.push({ family, text: (await execa(tool, ['-t', 'nat'], limits)).stdout });
    } catch {
      // A kernel without that table.
    }
  }
  return saved;
}

/** Rules of iptables, of one family. */
export interface SavedRules {
  readonly family: Family;
  readonly text: string;
}

/** Family and name of the tables with a base chain at a hook, but for the agents'. */
function findTables(chains: string, hook: string): [family: string, name: string][] {
  return chains.split(/^(?=table )/m).flatMap((text): [string, string][] => {
    const [, family, name] = /^table (\w+) (\S+) \{/.exec(text) ?? [];
    if (family === undefined || name === undefined || name.startsWith('ingress-agent-')) return [];
    return text.includes(hook) ? [[family, name]] : [];
  });
}
