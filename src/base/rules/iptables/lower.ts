import type { Family } from '../../model/address.ts';
import type { Action, Hook, Match, RedirectTable, Rule, RuleProgram } from '../../model/rules.ts';
import { buildPortTree, type PortNode } from '../port-tree.ts';

/** Tables of iptables in the order of installation: `filter` blocks new connections before `nat` redirects any. */
export const iptablesTables = ['filter', 'mangle', 'nat'] as const;

/** A table of iptables. */
export type IptablesTable = (typeof iptablesTables)[number];

/** Actions of an iptables rule: those of the rule model, and jumps to other chains. */
export type LoweredAction =
  | Exclude<Action, { do: 'redirect' }>
  | { readonly do: 'jump' | 'goto'; readonly chain: string };

/** A rule in an iptables chain. */
export interface LoweredRule {
  readonly matches: readonly Match[];
  readonly action: LoweredAction;
}

/** One of our chains in one table. */
export interface LoweredChain {
  readonly table: IptablesTable;
  readonly name: string;
  readonly rules: readonly LoweredRule[];
}

/** The only rule that jumps from a built-in chain to ours. */
export interface HookRule {
  readonly table: IptablesTable;
  readonly builtin: string;
  readonly chain: string;
  readonly owner: string;
  /** Whether the rule comes before all others, so that no other rule can accept a packet first. */
  readonly first: boolean;
}

/** A program as iptables of one family represents it. */
export interface LoweredProgram {
  readonly family: Family;
  readonly chains: readonly LoweredChain[];
  readonly hooks: readonly HookRule[];
}

/** Prefix of every chain of ours, followed by the program's name and a dash. */
export const chainPrefix = 'ER-';

const places: Readonly<Record<Hook, { table: IptablesTable; builtin: string; suffix: string; first: boolean }>> = {
  'filter-forward': { table: 'filter', builtin: 'FORWARD', suffix: 'FORWARD', first: true },
  'filter-input': { table: 'filter', builtin: 'INPUT', suffix: 'INPUT', first: true },
  'mangle-prerouting': { table: 'mangle', builtin: 'PREROUTING', suffix: 'PRE', first: false },
  'mangle-output': { table: 'mangle', builtin: 'OUTPUT', suffix: 'OUTPUT', first: false },
  'mangle-postrouting': { table: 'mangle', builtin: 'POSTROUTING', suffix: 'POST', first: false },
  'nat-prerouting': { table: 'nat', builtin: 'PREROUTING', suffix: 'PRE', first: false },
  'nat-postrouting': { table: 'nat', builtin: 'POSTROUTING', suffix: 'POST', first: false },
};

/** Lays out a program for iptables: our own chains, with redirect tables as trees of chains. */
export function lowerProgram(program: RuleProgram, family: Family): LoweredProgram {
  const chains: LoweredChain[] = [];
  const hooks: HookRule[] = [];
  if (!program.families.includes(family)) return { family, chains, hooks };
  for (const chain of program.chains) {
    const { table, builtin, suffix, first } = places[chain.hook];
    const rules = chain.rules
      .filter((rule) => rule.family === undefined || rule.family === family)
      .map((rule) => lowerRule(program.name, rule));
    if (rules.length === 0) continue;
    const name = `${chainPrefix}${program.name}-${suffix}`;
    chains.push({ table, name, rules });
    hooks.push({ table, builtin, chain: name, owner: program.owner, first });
  }
  for (const table of program.tables) {
    if (table.family === family)
      chains.push(...lowerTree(table, buildPortTree(treeName(program.name, table), [...table.entries])));
  }
  return { family, chains, hooks };
}

function treeName(program: string, { protocol }: { protocol: RedirectTable['protocol'] }): string {
  return `${chainPrefix}${program}-${protocol.charAt(0).toUpperCase()}`;
}

function lowerRule(program: string, rule: Rule): LoweredRule {
  if (rule.action.do !== 'redirect') return { matches: rule.matches, action: rule.action };
  return { matches: rule.matches, action: { do: 'jump', chain: treeName(program, rule.action.table) } };
}

function lowerTree(table: RedirectTable, node: PortNode): LoweredChain[] {
  const { protocol } = table;
  if (node.kind === 'leaf') {
    const rules = node.ports.map(
      ([port, entry]): LoweredRule => ({
        matches: [{ on: 'ports', protocol, from: port, to: port }],
        action:
          entry.port === port
            ? { do: 'dnat', address: entry.address }
            : { do: 'dnat', address: entry.address, port: entry.port },
      }),
    );
    return [{ table: 'nat', name: node.name, rules }];
  }
  const rules = node.children.map(
    ({ from, to, node: child }): LoweredRule => ({
      matches: [{ on: 'ports', protocol, from, to }],
      action: { do: 'goto', chain: child.name },
    }),
  );
  return [{ table: 'nat', name: node.name, rules }, ...node.children.flatMap((child) => lowerTree(table, child.node))];
}
