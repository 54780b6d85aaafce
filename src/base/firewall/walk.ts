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

/** A rule that may apply to a packet, or may do something to it that its listing does not tell. */
export interface Possibility {
  readonly chain: string;
  readonly rule: ForeignRule;
  /** Present if the rule decides the fate of packets. */
  readonly verdict?: Verdict;
}

/** What happens to a packet in a chain: it certainly ends there, it may, or it certainly does not. */
type Outcome = 'ends' | 'may' | 'passes';

/**
 * Returns the rules that may apply to a packet in a base chain, because a condition on the way to them cannot be
 * decided, and the rules whose effect is unknown. {@link walkChain} finds those that certainly apply.
 */
export function listPossible(table: ForeignTable, base: ForeignChain, probe: Probe): Possibility[] {
  const found: Possibility[] = [];
  explore(table, base, probe, true, found, 0);
  return found;
}

function explore(
  table: ForeignTable,
  chain: ForeignChain,
  probe: Probe,
  isReached: boolean,
  found: Possibility[],
  depth: number,
): Outcome {
  if (depth > deepest) return 'may';
  let mayLeave = false;
  let mayEnd = false;
  for (const rule of chain.rules) {
    const answers = rule.conditions.map((condition) => condition(probe));
    if (answers.includes(false)) continue;
    const isMet = !answers.includes(undefined);
    const isCertain = isReached && !mayLeave && isMet;
    if (rule.isOpaque === true || (rule.untracks === true && !isCertain)) found.push({ chain: chain.name, rule });
    const verdicts = listVerdicts(rule.verdict, probe);
    const isOnly = isMet && verdicts.length === 1;
    for (const verdict of verdicts) {
      const outcome = tryVerdict(table, chain, rule, verdict, probe, isCertain && isOnly, found, depth);
      if (isOnly && outcome === 'ends') return mayLeave ? 'may' : 'ends';
      if (isOnly && outcome === 'returns') return mayEnd ? 'may' : 'passes';
      if (outcome === 'passes') continue;
      mayLeave = true;
      if (outcome !== 'returns') mayEnd = true;
    }
  }
  return mayEnd ? 'may' : 'passes';
}

function tryVerdict(
  table: ForeignTable,
  chain: ForeignChain,
  rule: ForeignRule,
  verdict: Verdict,
  probe: Probe,
  isCertain: boolean,
  found: Possibility[],
  depth: number,
): Outcome | 'returns' {
  switch (verdict.kind) {
    case 'accept':
    case 'drop':
      if (!isCertain) found.push({ chain: chain.name, rule, verdict });
      return 'ends';
    case 'return':
      return 'returns';
    case 'jump':
    case 'goto': {
      const target = table.chains.find((one) => one.name === verdict.chain);
      const outcome = target === undefined ? 'passes' : explore(table, target, probe, isCertain, found, depth + 1);
      return verdict.kind === 'goto' && outcome === 'passes' ? 'returns' : outcome;
    }
    default:
      return 'passes';
  }
}

/** Returns the verdicts that a rule may have for a packet. */
function listVerdicts(verdict: Verdict, probe: Probe): Verdict[] {
  if (verdict.kind !== 'depends') return [verdict];
  const chosen = verdict.choose(probe);
  if (chosen !== undefined) return [chosen];
  const possible = verdict.choices.filter(({ condition }) => condition(probe) !== false);
  // The key may not be in the map either.
  return [...possible.map((one) => one.verdict), { kind: 'none' }];
}
