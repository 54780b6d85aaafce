import type { ForeignChain, ForeignRule, ForeignTable, Probe, Verdict } from './chain.ts';

/**
 * The fate of a packet in a base chain and the rule that decides it. Without a rule, the policy of the chain decides.
 */
export interface Fate {
  readonly kind: 'accept' | 'drop';
  /** Whether every condition on the path could be decided. */
  readonly isCertain: boolean;
  readonly chain: string;
  readonly rule?: ForeignRule;
}

/** The kernel rejects loops of chains. This limit covers a table that changed while it was being listed. */
const deepest = 32;

/**
 * Follows a packet through a base chain. If a condition cannot be decided, both branches are followed; the answer is
 * certain only if no undecided rule could have changed it.
 */
export function walkChain(table: ForeignTable, base: ForeignChain, probe: Probe): Fate {
  return start(table, base, probe, false);
}

/** Returns the first rule that certainly excludes a packet from connection tracking, or undefined. */
export function findUntracking(table: ForeignTable, base: ForeignChain, probe: Probe): Fate | undefined {
  const fate = start(table, base, probe, true);
  return fate.rule?.untracks === true && fate.isCertain ? fate : undefined;
}

function start(table: ForeignTable, base: ForeignChain, probe: Probe, stopsUntracked: boolean): Fate {
  const doubt = { seen: false, stopsUntracked };
  const fate = walk(table, base, probe, doubt, 0);
  if (fate !== undefined) return { ...fate, isCertain: fate.isCertain && !doubt.seen };
  return { kind: base.policy, isCertain: !doubt.seen, chain: base.name };
}

function walk(
  table: ForeignTable,
  chain: ForeignChain,
  probe: Probe,
  doubt: { seen: boolean; readonly stopsUntracked: boolean },
  depth: number,
): Fate | undefined {
  if (depth > deepest) return undefined;
  for (const rule of chain.rules) {
    const answers = rule.conditions.map((condition) => condition(probe));
    if (answers.includes(false)) continue;
    const isSure = !answers.includes(undefined);
    if (doubt.stopsUntracked && isSure && rule.untracks === true) {
      return { kind: 'accept', isCertain: true, chain: chain.name, rule };
    }
    const verdict = rule.verdict.kind === 'depends' ? rule.verdict.choose(probe) : rule.verdict;
    if (verdict === undefined) {
      doubt.seen = true;
      continue;
    }
    if (verdict.kind === 'none') continue;
    if (!isSure) {
      // The rule may or may not match, so only the part after it is decided.
      if (mayDecide(table, verdict)) doubt.seen = true;
      continue;
    }
    if (verdict.kind === 'accept' || verdict.kind === 'drop') {
      return { kind: verdict.kind, isCertain: true, chain: chain.name, rule };
    }
    if (verdict.kind === 'return') return undefined;
    if (verdict.kind !== 'jump' && verdict.kind !== 'goto') continue;
    const target = table.chains.find((one) => one.name === verdict.chain);
    const fate = target === undefined ? undefined : walk(table, target, probe, doubt, depth + 1);
    if (fate !== undefined) return fate;
    if (verdict.kind === 'goto') return undefined;
  }
  return undefined;
}

/** Returns whether a verdict can decide the fate of a packet. */
function mayDecide(table: ForeignTable, verdict: Verdict): boolean {
  if (verdict.kind !== 'jump' && verdict.kind !== 'goto') return verdict.kind !== 'none';
  const chain = table.chains.find((one) => one.name === verdict.chain);
  return chain === undefined || chain.rules.some((rule) => rule.verdict.kind !== 'none');
}
