import type { RedirectEntry, RedirectTable, RuleProgram } from '../../model/rules.ts';
import type { NftElement } from './element.ts';
import { mapName } from './render.ts';

/** Elements that one table loses and gains. */
export interface ElementChange {
  readonly gone: readonly NftElement[];
  readonly come: readonly NftElement[];
}

/**
 * Returns the change from one program to another if only entries of redirect tables differ, otherwise undefined. A
 * changed entry is removed and added.
 */
export function compareElements(from: RuleProgram, to: RuleProgram): ElementChange | undefined {
  const hasSameFrame =
    from.owner === to.owner &&
    from.tables.length === to.tables.length &&
    from.tables.every((table, index) => isOfSameKind(table, to.tables[index])) &&
    // The chains have only a few dozen rules, and both backends render nothing else.
    JSON.stringify(from.chains) === JSON.stringify(to.chains) &&
    // A shared port is a chain.
    describeShared(from) === describeShared(to);
  if (!hasSameFrame) return undefined;
  const gone: NftElement[] = [];
  const come: NftElement[] = [];
  for (const [index, before] of from.tables.entries()) {
    const after = to.tables[index]?.entries ?? new Map<number, RedirectEntry>();
    for (const [port, entry] of before.entries) {
      if (!isSameEntry(entry, after.get(port))) gone.push(makeElement(before, port));
    }
    for (const [port, entry] of after) {
      if (!isSameEntry(entry, before.entries.get(port))) come.push(makeElement(before, port, entry));
    }
  }
  return { gone, come };
}

/** Splits a program into the same program with empty redirect tables and the elements that fill them. */
export function splitElements(program: RuleProgram): { frame: RuleProgram; elements: readonly NftElement[] } {
  const frame = { ...program, tables: program.tables.map((table) => ({ ...table, entries: new Map() })) };
  return { frame, elements: compareElements(frame, program)?.come ?? [] };
}

function describeShared({ shared = [] }: RuleProgram): string {
  return JSON.stringify(shared.map((table) => ({ ...table, entries: [...table.entries] })));
}

function isOfSameKind(table: RedirectTable, other: RedirectTable | undefined): boolean {
  return table.family === other?.family && table.protocol === other.protocol;
}

function isSameEntry(entry: RedirectEntry, other: RedirectEntry | undefined): boolean {
  return entry.port === other?.port && entry.address.text === other.address.text;
}

function makeElement(table: RedirectTable, port: number, entry?: RedirectEntry): NftElement {
  return {
    collection: mapName(table),
    key: [{ type: 'inet_service', port }],
    ...(entry !== undefined && {
      value: [
        { type: 'addr', address: entry.address },
        { type: 'inet_service', port: entry.port },
      ],
    }),
  };
}
