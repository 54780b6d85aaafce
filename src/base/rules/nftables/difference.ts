import type { RuleProgram } from '../../model/rules.ts';
import { ownerComment } from '../owner.ts';
import type { RuleTransaction } from '../transaction.ts';
import {
  compareTables,
  type NftChain,
  type NftCollection,
  type NftDocument,
  removeTable,
  writeTable,
} from './document.ts';
import {
  mapName,
  mapType,
  renderBase,
  renderEntry,
  renderRule,
  renderSharedPort,
  sharedChainName,
  sharedMapName,
  tableName,
} from './render.ts';

/**
 * Returns the smallest `nft -f` input that changes one program into another in one transaction. Either program may be
 * absent. Creating a program fails if a table of its name exists. If it is not certain which of the two programs is
 * installed, the transaction replaces the whole table.
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

/** Does the same for tables that are already laid out. */
export function compareDocuments(from: NftDocument | undefined, to: NftDocument | undefined): string {
  if (to === undefined) return from === undefined ? '' : removeTable(from.table);
  if (from === undefined) return writeTable(to);
  if (from.table !== to.table || from.comment !== to.comment) return removeTable(from.table) + writeTable(to);
  return compareTables(from, to);
}

/** Lays out a program for nftables: one base chain per hook, one map per redirect table. */
function layOut(program: RuleProgram): NftDocument {
  return {
    table: tableName(program.name),
    comment: ownerComment(program.owner),
    objects: new Map(),
    collections: new Map([
      ...program.tables.map((table): [string, NftCollection] => [
        mapName(table),
        {
          kind: 'map',
          head: [mapType(table)],
          elements: new Map(Array.from(table.entries, ([port, entry]) => [`${port}`, renderEntry(entry)])),
        },
      ]),
      ...(program.shared ?? []).map((table): [string, NftCollection] => [
        sharedMapName(table),
        {
          kind: 'map',
          head: ['type inet_service : verdict'],
          elements: new Map(
            Array.from(table.entries.keys(), (port) => [`${port}`, `goto ${sharedChainName(table, port)}`]),
          ),
        },
      ]),
    ]),
    // Chains of ports first, because rules refer to them.
    chains: new Map([
      ...(program.shared ?? []).flatMap((table) =>
        Array.from(table.entries, ([port, shared]): [string, NftChain] => [
          sharedChainName(table, port),
          { rules: renderSharedPort(table, shared) },
        ]),
      ),
      ...program.chains
        .filter((chain) => chain.rules.length > 0)
        .map((chain): [string, NftChain] => [
          chain.hook,
          { base: renderBase(chain), rules: chain.rules.flatMap(renderRule) },
        ]),
    ]),
  };
}
