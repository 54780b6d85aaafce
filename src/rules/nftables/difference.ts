import type { Chain, RedirectTable, RuleProgram } from '../../model/rules.ts';
import { ownerComment } from '../owner.ts';
import type { RuleTransaction } from '../transaction.ts';
import { mapName, mapType, renderBase, renderElement, renderElements, renderRule, tableName } from './render.ts';

/**
 * The smallest `nft -f` input that leads from one program to another, in one transaction of the
 * kernel. Either may be absent; a program that appears fails where a table of its name stands.
 */
export function compareNftables(from: RuleProgram | undefined, to: RuleProgram | undefined): RuleTransaction {
  const input = writeDifference(from, to);
  return { scripts: input === '' ? [] : [{ tool: 'nft', input }] };
}

function writeDifference(from: RuleProgram | undefined, to: RuleProgram | undefined): string {
  if (to === undefined) return from === undefined ? '' : removeTable(from.name);
  if (from === undefined) return createTable(to);
  if (from.name !== to.name || from.owner !== to.owner) return removeTable(from.name) + createTable(to);
  return updateTable(from, to);
}

/** Removes a table that may not be there: adding it first makes that no error. */
export function removeTable(program: string): string {
  return `add table ${tableName(program)}\ndelete table ${tableName(program)}\n`;
}

/**
 * A table that must not be there yet. Deleting one first would make it sure, but costs the kernel a
 * grace period of ten milliseconds and more.
 */
function createTable(program: RuleProgram): string {
  const blocks = [
    `\tcomment "${ownerComment(program.owner)}"\n`,
    ...program.tables.map(
      (table) => `\tmap ${mapName(table)} {\n\t\t${mapType(table)}\n\t\telements = { ${renderElements(table)} }\n\t}\n`,
    ),
    ...program.chains.filter(isWorthwhile).map((chain) => {
      const rules = chain.rules.map((rule) => `\t\t${renderRule(rule)}\n`).join('');
      return `\tchain ${chain.hook} {\n\t\t${renderBase(chain)}\n${rules}\t}\n`;
    }),
  ];
  return `create table ${tableName(program.name)}\ntable ${tableName(program.name)} {\n${blocks.join('')}}\n`;
}

function isWorthwhile(chain: Chain): boolean {
  return chain.rules.length > 0;
}

function updateTable(from: RuleProgram, to: RuleProgram): string {
  const table = tableName(to.name);
  const lines: string[] = [];
  const oldMaps = new Map(from.tables.map((map) => [mapName(map), map]));
  const newMaps = new Map(to.tables.map((map) => [mapName(map), map]));
  for (const [name, map] of newMaps) {
    const old = oldMaps.get(name);
    if (old === undefined) lines.push(`add map ${table} ${name} { ${mapType(map)}; }`);
    lines.push(...updateElements(`${table} ${name}`, old, map));
  }
  const oldChains = new Map(from.chains.filter(isWorthwhile).map((chain) => [chain.hook, chain]));
  const newChains = new Map(to.chains.filter(isWorthwhile).map((chain) => [chain.hook, chain]));
  for (const [hook, chain] of newChains) {
    const old = oldChains.get(hook);
    const rules = chain.rules.map(renderRule);
    if (old === undefined) lines.push(`add chain ${table} ${hook} { ${renderBase(chain)} }`);
    else if (old.rules.map(renderRule).join('\n') === rules.join('\n')) continue;
    else lines.push(`flush chain ${table} ${hook}`);
    lines.push(...rules.map((rule) => `add rule ${table} ${hook} ${rule}`));
  }
  for (const hook of oldChains.keys()) if (!newChains.has(hook)) lines.push(`delete chain ${table} ${hook}`);
  for (const name of oldMaps.keys()) if (!newMaps.has(name)) lines.push(`delete map ${table} ${name}`);
  return lines.map((line) => `${line}\n`).join('');
}

function updateElements(map: string, from: RedirectTable | undefined, to: RedirectTable): string[] {
  const gone: string[] = [];
  const come: string[] = [];
  for (const [port, entry] of from?.entries ?? []) {
    const next = to.entries.get(port);
    if (next === undefined || renderElement(port, next) !== renderElement(port, entry)) {
      gone.push(renderElement(port, entry));
    }
  }
  for (const [port, entry] of to.entries) {
    const old = from?.entries.get(port);
    if (old === undefined || renderElement(port, old) !== renderElement(port, entry)) {
      come.push(renderElement(port, entry));
    }
  }
  return [
    ...(gone.length === 0 ? [] : [`delete element ${map} { ${gone.join(', ')} }`]),
    ...(come.length === 0 ? [] : [`add element ${map} { ${come.join(', ')} }`]),
  ];
}
