import type { Family } from '../../model/address.ts';
import type { RuleProgram } from '../../model/rules.ts';
import type { RuleScript, RuleTransaction } from '../transaction.ts';
import { type HookRule, type IptablesTable, iptablesTables, type LoweredProgram, lowerProgram } from './lower.ts';
import { renderHook, renderRule } from './render.ts';

/**
 * Returns the smallest `iptables-restore --noflush` input that changes one program into another. Unchanged chains are
 * not named, because naming a chain empties it. Either program may be absent. Each table changes atomically, and the
 * order of the tables closes the filter first and opens it last. If it is not certain which of the two programs is
 * installed, and both have the same hooks, the input names every chain of both.
 */
export function compareIptables(
  from: RuleProgram | undefined,
  to: RuleProgram | undefined,
  unsure = false,
): RuleTransaction {
  const scripts: RuleScript[] = [];
  for (const family of [4, 6] as const) {
    const before = from === undefined ? empty(family) : lowerProgram(from, family);
    const after = to === undefined ? empty(family) : lowerProgram(to, family);
    const closing = after.chains.length === 0;
    const order = closing ? iptablesTables.toReversed() : iptablesTables;
    const input = order.map((table) => compareTable(table, before, after, unsure)).join('');
    if (input !== '') scripts.push({ tool: family === 4 ? 'iptables-restore' : 'ip6tables-restore', input });
  }
  return { scripts };
}

function empty(family: Family): LoweredProgram {
  return { family, chains: [], hooks: [] };
}

function compareTable(table: IptablesTable, before: LoweredProgram, after: LoweredProgram, unsure: boolean): string {
  const old = renderChains(table, before);
  const wanted = renderChains(table, after);
  const declared: string[] = [];
  const rules: string[] = [];
  for (const [name, lines] of wanted) {
    if (old.get(name) === lines && !unsure) continue;
    declared.push(`:${name} - [0:0]\n`);
    rules.push(lines);
  }
  const gone = [...old.keys()].filter((name) => !wanted.has(name));
  const oldHooks = hooksOf(table, before);
  const newHooks = hooksOf(table, after);
  const unhook = oldHooks
    .filter((line) => !newHooks.includes(line))
    .map((line) => line.replace(/^-[AI] (\S+)( 1)?/, '-D $1'));
  const hook = newHooks.filter((line) => !oldHooks.includes(line));
  // Empties a removed chain first, because other removed chains may refer to it.
  const lines = [
    ...declared,
    ...gone.map((name) => `:${name} - [0:0]\n`),
    ...unhook,
    ...rules,
    ...gone.map((name) => `-X ${name}\n`),
    ...hook,
  ];
  return lines.length === 0 ? '' : `*${table}\n${lines.join('')}COMMIT\n`;
}

function renderChains(table: IptablesTable, program: LoweredProgram): Map<string, string> {
  const chains = new Map<string, string>();
  for (const chain of program.chains) {
    if (chain.table !== table) continue;
    const append = `-A ${chain.name} `;
    let lines = '';
    for (const rule of chain.rules) lines += `${append}${renderRule(rule, program.family)}\n`;
    chains.set(chain.name, lines);
  }
  return chains;
}

function hooksOf(table: IptablesTable, program: LoweredProgram): string[] {
  return program.hooks.filter((hook) => hook.table === table).map(placeHook);
}

function placeHook(hook: HookRule): string {
  return `${hook.first ? `-I ${hook.builtin} 1` : `-A ${hook.builtin}`} ${renderHook(hook)}\n`;
}
