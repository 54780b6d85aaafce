import type { ListedTable } from '../rules/state-table.ts';

/** Parses the names in the output of `nft -t list table`. */
export function parseListedTable(text: string): ListedTable {
  const heads = [...text.matchAll(/^\t(chain|set|map|ct timeout) (\S+) \{/gm)].map(
    ([, kind = '', name = '']) => [kind, name] as const,
  );
  return {
    chains: heads.flatMap(([kind, name]) => (kind === 'chain' ? [name] : [])),
    collections: heads.flatMap(([kind, name]) => (kind === 'set' || kind === 'map' ? [`${kind} ${name}`] : [])),
    objects: heads.flatMap(([kind, name]) => (kind === 'ct timeout' ? [`ct timeout ${name}`] : [])),
  };
}
