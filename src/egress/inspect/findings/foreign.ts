import type { ForeignHook, ForeignTable } from '../../../base/firewall/chain.ts';
import { type Fate, walkChain } from '../../../base/firewall/walk.ts';
import { ownerOf } from '../../plan/desired.ts';
import { type Finding, inNamespace } from '../finding.ts';
import type { Observation } from '../observation.ts';
import { chainsAt, listStages, type Stage } from './stages.ts';

/** Finds foreign rules that affect the router's packets, and stale rules left by removed routers. */
export function findForeignProblems(observation: Observation): { findings: Finding[]; notes: string[] } {
  const drops = new Map<string, { fate: Fate; table: ForeignTable; hook: ForeignHook; what: Set<string> }>();
  const notes = new Set<string>();
  for (const stage of listStages(observation)) {
    for (const { table, chain } of chainsAt(observation.ruleset, stage.hook, stage.probe.family)) {
      const fate = walkChain(table, chain, stage.probe);
      if (fate.kind !== 'drop') continue;
      const title = `${table.title}, chain ${fate.chain}`;
      if (!fate.isCertain) {
        // Rules that may apply are named one by one.
        if (fate.rule === undefined) notes.add(`foreign rules may drop redirected traffic: ${title}, by its policy`);
        continue;
      }
      const key = `${title} ${fate.rule?.text ?? 'policy'}`;
      const known = drops.get(key) ?? { fate, table, hook: stage.hook, what: new Set<string>() };
      known.what.add(stage.what);
      drops.set(key, known);
    }
  }
  const findings = Array.from(drops.values(), (drop) => describeDrop(observation, drop));
  return { findings: [...findings, ...findOpenDoors(observation), ...findStaleRules(observation)], notes: [...notes] };
}

function describeDrop(
  { netns }: Observation,
  { fate, table, hook, what }: { fate: Fate; table: ForeignTable; hook: ForeignHook; what: ReadonlySet<string> },
): Finding {
  const [first = ''] = what;
  const rest = what.size > 1 ? ` and ${what.size - 1} more` : '';
  const by = fate.rule === undefined ? 'by its policy' : `by the rule "${fate.rule.text}"`;
  return {
    code: 'foreign-drop',
    what: `foreign rules drop redirected traffic (${first}${rest}): ${table.title}, chain ${fate.chain} at ${hook}, ${by}`,
    cure: `allow the traffic there, or keep that firewall out of the pod; to list the rules, ${inNamespace(netns, showRules(table))}`,
  };
}

/** Returns the command that lists a table, without foreign names that a shell could expand. */
export function showRules({ tool, title }: ForeignTable): string {
  if (tool === 'iptables') return title.replace('-save -t', ' -S -t');
  return /^table \w+ [\w.-]+$/.test(title) ? `nft list ${title}` : 'nft list ruleset';
}

/**
 * Finds foreign rules that accept packets before the router's own chain can reject them. Only iptables is
 * affected: nftables evaluates each base chain, whatever another one accepted.
 */
function findOpenDoors(observation: Observation): Finding[] {
  const { state, netns } = observation;
  return state.podLinks.flatMap(({ family, link: podLink }) => {
    const common = { family, protocol: 'tcp', state: 'new', isRedirected: false } as const;
    const strangers: Stage[] = [
      { hook: 'forward', what: 'cluster to outside', probe: { ...common, incoming: podLink, outgoing: state.link } },
      {
        hook: 'forward',
        what: 'outside to cluster',
        probe: { ...common, incoming: state.link, outgoing: podLink },
      },
      { hook: 'input', what: 'outside to pod', probe: { ...common, incoming: state.link } },
    ];
    const opened = strangers.flatMap(({ hook, probe, what }) =>
      observation.ruleset.tables
        .filter(({ tool, families }) => tool === 'iptables' && families.includes(family))
        .flatMap((table) =>
          table.chains
            .filter((chain) => chain.hook === hook)
            .flatMap((chain) => {
              const door = chain.rules.findIndex(
                ({ verdict }) => 'chain' in verdict && verdict.chain.startsWith('ER-'),
              );
              if (door < 1) return [];
              const before = { ...chain, policy: 'drop' as const, rules: chain.rules.slice(0, door) };
              const fate = walkChain(table, before, probe);
              return fate.kind === 'accept' && fate.isCertain ? [{ what, chain, table, fate }] : [];
            }),
        ),
    );
    const [first] = opened;
    if (first === undefined) return [];
    const ways = [...new Set(opened.map(({ what }) => what))].join(', ');
    return [
      {
        code: 'foreign-accept' as const,
        what: `a foreign rule accepts traffic before the router's own rules can reject it (${ways}): ${first.table.title}, "${first.fate.rule?.text ?? ''}"`,
        cure: `${inNamespace(netns, showRules(first.table))}, delete that rule, and find out what adds it`,
      },
    ];
  });
}

/** Finds rules under the router's names from the other backend, or of an owner that is not attached here. */
function findStaleRules({ ruleset, state, others, netns }: Observation): Finding[] {
  const living = [state, ...others];
  return ruleset.ours.flatMap(({ backend, name, owner }): Finding[] => {
    const isLiving = living.some(
      (one) => one.link === name && one.backend === backend && (owner === undefined || ownerOf(one.id) === owner),
    );
    if (isLiving) return [];
    const isBeside = living.some((one) => one.link === name);
    const what = isBeside
      ? `the other backend, ${backend}, also has rules under the router's name ${name}`
      : `rules of a removed router are left under the name ${name} (${backend})`;
    const cure =
      backend === 'nftables'
        ? /^[\w.-]+$/.test(name)
          ? inNamespace(netns, `nft delete table inet egress-router-${name}`)
          : `delete that table; to list it, ${inNamespace(netns, 'nft list ruleset')}`
        : `delete the chains ER-${name}-… and the rules that jump to them; to list them, ${inNamespace(netns, 'iptables-save')}`;
    return [{ code: 'rules-stale', what, cure }];
  });
}
