import type { RuleProgram } from '../../model/rules.ts';
import { ownerComment } from '../owner.ts';
import type { RuleTransaction } from '../transaction.ts';
import { compareTables, type NftDocument, removeTable, writeTable } from './document.ts';
import { mapName, mapType, renderBase, renderEntry, renderRule, tableName } from './render.ts';

/**
 * The smallest `nft -f` input that leads from one program to another, in one transaction of the
 * kernel. Either may be absent; a program that appears fails where a table of its name stands. Where
 * it is unsure which of the two is installed, the whole table is replaced, in one transaction, too.
 */
export function compareNftables(
  from: RuleProgram | undefined,
  to: RuleProgram | undefined,
  unsure = false,
): RuleTransaction {
  const input =
    unsure && to !== undefined
      ? removeTable(tableName(to.name)) + writeTable(layOut(to))
      : compareDocuments(from && layOut(from), to && layOut(to));
  return { scripts: input === '' ? [] : [{ tool: 'nft', input }] };
}

/** The same for tables that are laid out already. */
export function compareDocuments(from: NftDocument | undefined, to: NftDocument | undefined): string {
  if (to === undefined) return from === undefined ? '' : removeTable(from.table);
  if (from === undefined) return writeTable(to);
  if (from.table !== to.table || from.comment !== to.comment) return removeTable(from.table) + writeTable(to);
  return compareTables(from, to);
}

/** Lays a program out for nftables: a base chain for each hook, a map for each redirect table. */
function layOut(program: RuleProgram): NftDocument {
  return {
    table: tableName(program.name),
    comment: ownerComment(program.owner),
    objects: new Map(),
    collections: new Map(
      program.tables.map((table) => [
        mapName(table),
        {
          kind: 'map',
          head: [mapType(table)],
          elements: new Map(Array.from(table.entries, ([port, entry]) => [`${port}`, renderEntry(entry)])),
        },
      ]),
    ),
    chains: new Map(
      program.chains
        .filter((chain) => chain.rules.length > 0)
        .map((chain) => [chain.hook, { base: renderBase(chain), rules: chain.rules.map(renderRule) }]),
    ),
  };
}
