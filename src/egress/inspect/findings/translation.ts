import type { ForeignChain, ForeignTable, Ruleset } from '../../../base/firewall/chain.ts';
import { type Fate, findUntracking, listPossible, type Possibility, walkChain } from '../../../base/firewall/walk.ts';
import type { Family } from '../../../base/model/address.ts';
import { type Finding, inNamespace } from '../finding.ts';
import type { Observation } from '../observation.ts';
import { Doubts } from './doubts.ts';
import { showRules } from './foreign.ts';
import { chainsAt, listStages, type Stage } from './stages.ts';

/** Priority of the router's own translation, by hook (`src/base/rules/nftables/render.ts`). */
const ownPriority = { prerouting: -100, postrouting: 100 } as const;

/** Priority of connection tracking (`NF_IP_PRI_CONNTRACK`). Later rules cannot prevent it. */
const trackingPriority = -200;

/** Maximum number of redirects whose way through the node is examined. */
const followedOnNode = 32;

/** What a rule of another program does to a connection. */
type Effect = 'destination' | 'source' | 'accepts' | 'untracks' | 'drops';

interface Hit {
  readonly effect: Effect;
  readonly fate: Fate;
  readonly table: ForeignTable;
  readonly isOnNode: boolean;
  readonly what: Set<string>;
}

/**
 * Finds rules of other programs that translate the router's connections, keep the router from translating them, or
 * exclude them from connection tracking, in the pod and on the node: findings about rules that certainly do, and notes
 * about rules that may.
 */
export function findTranslationProblems(observation: Observation): { findings: Finding[]; doubts: string[] } {
  const doubts = new Doubts();
  const hits = new Map<string, Hit>();
  const note = (effect: Effect, table: ForeignTable, fate: Fate, { what }: Stage, isOnNode: boolean): void => {
    const key = `${isOnNode} ${effect} ${table.title} ${fate.chain} ${fate.rule?.text ?? ''}`;
    const known = hits.get(key) ?? { effect, fate, table, isOnNode, what: new Set<string>() };
    known.what.add(what);
    hits.set(key, known);
  };
  const stages = listStages(observation);
  for (const stage of stages) {
    for (const { table, chain } of chainsAt(observation.ruleset, stage.hook, stage.probe.family)) {
      const mayTranslate = stage.isReply !== true && isFirst(observation, table, chain, stage);
      const isOwn = chain.isNat === true && isShared(table, stage.probe.family);
      for (const one of listPossible(table, chain, stage.probe)) {
        if (matters(one, mayTranslate, isOwn)) doubts.add(table, one, stage.what, false);
      }
    }
    if (stage.hook === 'prerouting') {
      for (const { table, chain } of chainsAt(observation.ruleset, 'prerouting', stage.probe.family)) {
        if (stage.isReply !== true && chain.isNat !== true) {
          const fate = walkChain(table, chain, stage.probe);
          if (effectOf(fate, false) === 'destination') note('destination', table, fate, stage, false);
        }
        if ((chain.priority ?? trackingPriority) > trackingPriority) continue;
        const fate = findUntracking(table, chain, stage.probe);
        if (fate !== undefined) note('untracks', table, fate, stage, false);
      }
    }
    if (stage.isReply === true || (stage.hook !== 'prerouting' && stage.hook !== 'postrouting')) continue;
    for (const { table, chain } of chainsAt(observation.ruleset, stage.hook, stage.probe.family)) {
      if (chain.isNat !== true || !isFirst(observation, table, chain, stage)) continue;
      const fate = walkChain(table, chain, stage.probe);
      const effect = effectOf(fate, isShared(table, stage.probe.family));
      if (effect !== undefined) note(effect, table, fate, stage, false);
    }
  }
  for (const stage of stages
    .filter(({ hook, isReply }) => hook === 'prerouting' && !isReply)
    .slice(0, followedOnNode)) {
    if (observation.nodeRuleset !== undefined) noteOnNode(observation.nodeRuleset, stage, note, doubts);
  }
  return {
    findings: Array.from(hits.values(), (hit) => describeHit(observation, hit)),
    doubts: doubts.list(observation),
  };
}

/** Returns whether a rule that may apply could change or drop a connection. */
function matters({ rule, verdict }: Possibility, mayTranslate: boolean, isOwnTable: boolean): boolean {
  if (rule.isOpaque === true || rule.untracks === true || verdict?.kind === 'drop') return true;
  if (verdict?.kind !== 'accept' || !mayTranslate) return false;
  return verdict.translates === true || verdict.translatesSource === true || isOwnTable;
}

/** Examines the way of a client's first packet through the node to the pod. */
function noteOnNode(
  ruleset: Ruleset,
  stage: Stage,
  note: (effect: Effect, table: ForeignTable, fate: Fate, stage: Stage, isOnNode: boolean) => void,
  doubts: Doubts,
): void {
  const { incoming: _pod, isLocal: _local, ...probe } = stage.probe;
  for (const hook of ['prerouting', 'forward'] as const) {
    for (const { table, chain } of chainsAt(ruleset, hook, probe.family)) {
      if (hook === 'prerouting' && chain.isNat !== true) continue;
      for (const one of listPossible(table, chain, { ...probe, isLocal: false })) {
        const { verdict } = one;
        if (verdict?.kind === 'accept' && verdict.translates === true) doubts.add(table, one, stage.what, true);
      }
      const fate = walkChain(table, chain, { ...probe, isLocal: false });
      if (!fate.isCertain || fate.rule === undefined) continue;
      if (hook === 'forward' && fate.kind === 'drop') note('drops', table, fate, stage, true);
      const { verdict } = fate.rule;
      if (verdict.kind === 'accept' && verdict.translates === true) note('destination', table, fate, stage, true);
    }
  }
}

function effectOf(fate: Fate, isInOwnTable: boolean): Effect | undefined {
  const verdict = fate.rule?.verdict;
  if (!fate.isCertain || verdict?.kind !== 'accept') return undefined;
  if (verdict.translates === true) return 'destination';
  if (verdict.translatesSource === true) return 'source';
  // iptables shares one chain among all programs; each program of nftables has a chain of its own.
  return isInOwnTable ? 'accepts' : undefined;
}

/** Returns whether a table of iptables contains the router's own translation. */
function isShared({ tool, families, chains }: ForeignTable, family: Family): boolean {
  if (tool !== 'iptables' || !families.includes(family)) return false;
  const rules = chains.flatMap((chain) => (chain.isNat === true ? chain.rules : []));
  return rules.some(({ verdict }) => 'chain' in verdict && verdict.chain.startsWith('ER-'));
}

/**
 * Returns whether a base chain sees a connection before the router's translation. The first translation counts. Of
 * chains with equal priority, the kernel calls the one that was registered last first.
 */
function isFirst(
  { state, ruleset }: Observation,
  table: ForeignTable,
  { priority }: ForeignChain,
  { hook, probe }: Stage,
): boolean {
  // In the router's own table the position of the rule decides.
  if (isShared(table, probe.family)) return true;
  const own = hook === 'prerouting' ? ownPriority.prerouting : ownPriority.postrouting;
  if (priority !== undefined && priority !== own) return priority < own;
  const order =
    state.backend === 'iptables'
      ? ruleset.tables.find((one) => isShared(one, probe.family))?.order
      : ruleset.ours.find((one) => one.name === state.link)?.order;
  return table.order === undefined || order === undefined || table.order > order;
}

const effects: Readonly<Record<Effect, string>> = {
  destination: 'sends connections elsewhere before the router can redirect them',
  source: 'changes the source address of connections, so they do not leave from the reserved address',
  accepts: 'accepts connections before the router can translate them',
  untracks: 'excludes packets from connection tracking, so the router cannot translate them',
  drops: 'drops connections to the router',
};

function describeHit({ netns }: Observation, { effect, fate, table, isOnNode, what }: Hit): Finding {
  const [first = ''] = what;
  const rest = what.size > 1 ? ` and ${what.size - 1} more` : '';
  const place = isOnNode ? 'on the node' : 'in the pod';
  const list = isOnNode ? `run "${showRules(table)}" on the node` : inNamespace(netns, showRules(table));
  return {
    code: effect === 'untracks' ? 'foreign-untracked' : effect === 'drops' ? 'foreign-drop' : 'foreign-translation',
    what: `a rule of another program ${place} ${effects[effect]} (${first}${rest}): ${table.title}, chain ${fate.chain}, "${fate.rule?.text ?? ''}"`,
    cure: `exclude these connections there, or keep that program out of the ${isOnNode ? "router's traffic" : 'pod'}; to list the rules, ${list}`,
  };
}
