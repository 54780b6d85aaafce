import type { ForeignChain, ForeignRule, ForeignTable, Probe, Verdict } from './chain.ts';

/** What becomes of a packet in a base chain, and by which rule; none: the policy. */
export interface Fate {
  readonly kind: 'accept' | 'drop';
  /** Whether every condition on the way could be told. */
  readonly isCertain: boolean;
  readonly chain: string;
  readonly rule?: ForeignRule;
}

/** Chains that lead in circles are refused by the kernel; a table that changed while it was read must not hang us. */
const deepest = 32;

/**
 * Follows a packet through a base chain. Where a condition cannot be told, both ways are followed:
 * the answer is certain only when no such rule could have decided otherwise.
 */
export function walkChain(table: ForeignTable, base: ForeignChain, probe: Probe): Fate {
  const doubt = { seen: false };
  const fate = walk(table, base, probe, doubt, 0);
  if (fate !== undefined) return { ...fate, isCertain: fate.isCertain && !doubt.seen };
  return { kind: base.policy, isCertain: !doubt.seen, chain: base.name };
}

function walk(
  table: ForeignTable,
  chain: ForeignChain,
  probe: Probe,
  doubt: { seen: boolean },
  depth: number,
): Fate | undefined {
  if (depth > deepest) return undefined;
  for (const rule of chain.rules) {
    const answers = rule.conditions.map((condition) => condition(probe));
    if (answers.includes(false)) continue;
    const isSure = !answers.includes(undefined);
    const verdict = rule.verdict.kind === 'depends' ? rule.verdict.choose(probe) : rule.verdict;
    if (verdict === undefined) {
      doubt.seen = true;
      continue;
    }
    if (verdict.kind === 'none') continue;
    if (!isSure) {
      // It may or may not be met: only what follows it for sure is told.
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

/** Whether a verdict can be the last word on a packet. */
function mayDecide(table: ForeignTable, verdict: Verdict): boolean {
  if (verdict.kind !== 'jump' && verdict.kind !== 'goto') return verdict.kind !== 'none';
  const chain = table.chains.find((one) => one.name === verdict.chain);
  return chain === undefined || chain.rules.some((rule) => rule.verdict.kind !== 'none');
}
