import { execa } from 'execa';
import { findTool } from '../rule-tools.ts';

/** Milliseconds, and bytes of what one program prints. */
const limits = { timeout: 20_000, maxBuffer: 16 * 1024 * 1024 } as const;

/**
 * The nftables tables of others with a base chain at `forward`, as `nft -j` lists them. Table by table:
 * a list of all would read every element of our own, too. Undefined where nothing can be listed.
 */
export async function listForeignTables(): Promise<unknown> {
  const nft = findTool('nft');
  if (nft === undefined) return undefined;
  try {
    const { stdout } = await execa(nft, ['list', 'chains'], limits);
    const listings = [];
    for (const [family, name] of findForwarding(stdout)) {
      const listed = await execa(nft, ['-j', '-t', 'list', 'table', family, name], limits);
      listings.push(...((JSON.parse(listed.stdout) as { nftables?: unknown[] }).nftables ?? []));
    }
    return { nftables: listings };
  } catch {
    // A table that went meanwhile, or rules that this nft cannot read: the next look may see more.
    return undefined;
  }
}

/** Family and name of the tables with a base chain at `forward`, but for the agents'. */
function findForwarding(chains: string): [family: string, name: string][] {
  return chains.split(/^(?=table )/m).flatMap((text): [string, string][] => {
    const [, family, name] = /^table (\w+) (\S+) \{/.exec(text) ?? [];
    if (family === undefined || name === undefined || name.startsWith('ingress-agent-')) return [];
    return text.includes(' hook forward ') ? [[family, name]] : [];
  });
}
