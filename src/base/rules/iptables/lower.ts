import type { Family } from '../../model/address.ts';
import type {
  Action,
  Hook,
  Match,
  RedirectEntry,
  RedirectTable,
  RedirectTableKey,
  Rule,
  RuleProgram,
  SharedPort,
} from '../../model/rules.ts';
import { buildPortTree, type PortNode } from '../port-tree.ts';

/** Tables of iptables in the order of installation: `filter` blocks new connections before `nat` redirects any. */
export const iptablesTables = ['filter', 'mangle', 'nat'] as const;

/** A table of iptables. */
export type IptablesTable = (typeof iptablesTables)[number];

/** Actions of an iptables rule: those of the rule model, and jumps to other chains. */
export type LoweredAction =
  | Exclude<Action, { do: 'redirect' | 'redirect-shared' | 'share' }>
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
      .flatMap((rule) => lowerRule(program.name, rule));
    if (rules.length === 0) continue;
    const name = `${chainPrefix}${program.name}-${suffix}`;
    chains.push({ table, name, rules });
    hooks.push({ table, builtin, chain: name, owner: program.owner, first });
  }
  for (const table of program.tables) {
    if (table.family !== family) continue;
    const root = buildPortTree(treeName(program.name, table), [...table.entries]);
    chains.push(...lowerTree(table, root, lowerEntry));
  }
  for (const table of program.shared ?? []) {
    if (table.family !== family) continue;
    const root = buildPortTree(sharedTreeName(program.name, table), [...table.entries]);
    chains.push(...lowerTree(table, root, lowerSharedPort));
  }
  return { family, chains, hooks };
}

function treeName(program: string, { protocol }: { protocol: RedirectTable['protocol'] }): string {
  return `${chainPrefix}${program}-${protocol.charAt(0).toUpperCase()}`;
}

/** Differs from the names of the other tree by an upper-case letter, which is no digit of a port range. */
function sharedTreeName(program: string, key: RedirectTableKey): string {
  return `${treeName(program, key)}N`;
}

function lowerRule(program: string, { matches, action }: Rule): LoweredRule[] {
  switch (action.do) {
    case 'redirect':
      return [{ matches, action: { do: 'jump', chain: treeName(program, action.table) } }];
    case 'redirect-shared':
      return [{ matches, action: { do: 'jump', chain: sharedTreeName(program, action.table) } }];
    case 'share':
      return lowerShare(matches, action);
    default:
      return [{ matches, action }];
  }
}

/**
 * One rule for each target. In turn: each rule takes its share of what the rules before it left. By source: the lowest
 * bits of the client's address, of as many as the targets need; some targets then get twice as many clients as others.
 */
function lowerShare(matches: readonly Match[], { targets, sharing }: SharedPort): LoweredRule[] {
  const bits = Math.ceil(Math.log2(Math.max(1, targets.length)));
  const places = sharing === 'source' ? 2 ** bits : targets.length;
  return Array.from({ length: places }, (_, place): LoweredRule[] => {
    const target = targets[place % targets.length];
    if (target === undefined) return [];
    const isLast = place === places - 1;
    const choice: Match =
      sharing === 'source' ? { on: 'source-bits', bits, value: place } : { on: 'turn', every: places - place };
    return [{ matches: isLast ? matches : [...matches, choice], action: { do: 'dnat', ...target } }];
  }).flat();
}

function lowerEntry(matches: readonly Match[], port: number, entry: RedirectEntry): LoweredRule[] {
  const { address } = entry;
  return [
    {
      matches,
      action: entry.port === port ? { do: 'dnat', address } : { do: 'dnat', address, port: entry.port },
    },
  ];
}

/** A port without a target must not reach the fallback. */
function lowerSharedPort(matches: readonly Match[], _port: number, shared: SharedPort): LoweredRule[] {
  return shared.targets.length === 0 ? [{ matches, action: { do: 'accept' } }] : lowerShare(matches, shared);
}

/** Returns the rules of one port. */
type LowerPort<Value> = (matches: readonly Match[], port: number, value: Value) => LoweredRule[];

function lowerTree<Value>(key: RedirectTableKey, node: PortNode<Value>, lowerPort: LowerPort<Value>): LoweredChain[] {
  const { protocol } = key;
  if (node.kind === 'leaf') {
    const rules = node.ports.flatMap(([port, value]) =>
      lowerPort([{ on: 'ports', protocol, from: port, to: port }], port, value),
    );
    return [{ table: 'nat', name: node.name, rules }];
  }
  const rules = node.children.map(
    ({ from, to, node: child }): LoweredRule => ({
      matches: [{ on: 'ports', protocol, from, to }],
      action: { do: 'goto', chain: child.name },
    }),
  );
  return [
    { table: 'nat', name: node.name, rules },
    ...node.children.flatMap((child) => lowerTree(key, child.node, lowerPort)),
  ];
}
