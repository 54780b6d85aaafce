import type { ForeignChain, ForeignHook, ForeignTable, Probe } from '../../../base/firewall/chain.ts';
import { type Fate, walkChain } from '../../../base/firewall/walk.ts';
import type { Address, Family } from '../../../base/model/address.ts';
import { fallbackOf, type Redirect } from '../../../base/model/redirect.ts';
import { ownerOf } from '../../plan/desired.ts';
import { type Finding, inNamespace } from '../finding.ts';
import type { Observation } from '../observation.ts';

/** A packet of a router on its way, and what is lost when it is. */
interface Stage {
  readonly hook: ForeignHook;
  readonly probe: Probe;
  readonly what: string;
}

/** More redirects than these are not followed: rules that single out one port of thousands are rare. */
const followed = 256;

/** What rules of others do to the router's packets, and rules of ours that nobody owns any more. */
export function findForeignProblems(observation: Observation): { findings: Finding[]; notes: string[] } {
  const drops = new Map<string, { fate: Fate; table: ForeignTable; hook: ForeignHook; what: Set<string> }>();
  const notes = new Set<string>();
  for (const stage of listStages(observation)) {
    for (const { table, chain } of chainsAt(observation, stage.hook, stage.probe.family)) {
      const fate = walkChain(table, chain, stage.probe);
      if (fate.kind !== 'drop') continue;
      const title = `${table.title}, chain ${fate.chain}`;
      if (!fate.isCertain) {
        notes.add(`rules of somebody else may drop what the router redirects: ${title}`);
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

function chainsAt(
  { ruleset }: Observation,
  hook: ForeignHook,
  family: Family,
): { table: ForeignTable; chain: ForeignChain }[] {
  return ruleset.tables
    .filter((table) => table.families.includes(family))
    .flatMap((table) =>
      table.chains.filter((chain) => chain.hook === hook).map((chain) => ({ table, chain: passOurs(chain, hook) })),
    );
}

/** iptables: what our own chain lets through at the door ends the built-in chain; elsewhere it goes on. */
function passOurs(chain: ForeignChain, hook: ForeignHook): ForeignChain {
  return {
    ...chain,
    rules: chain.rules.map((rule) => {
      const isOurs = 'chain' in rule.verdict && rule.verdict.chain.startsWith('ER-');
      if (!isOurs) return rule;
      return { ...rule, conditions: [], verdict: { kind: hook === 'forward' ? 'accept' : 'none' } };
    }),
  };
}

/** The first packet of each redirect and its reply, at every hook that they pass. */
function listStages({ resolved, state, pod }: Observation): Stage[] {
  return state.podLinks.flatMap(({ family, link: podLink }) => {
    const own = pod.addresses.find((one) => one.link === podLink && one.prefix.address.family === family)?.prefix
      .address;
    const redirects = resolved.spec.redirects.redirects.filter(({ target }) => target.family === family);
    const fallback = fallbackOf(resolved.spec.redirects, family);
    // Any port will do for what everything else goes by.
    const samples: Redirect[] = [
      ...redirects.slice(0, followed),
      ...(fallback === undefined ? [] : [{ protocol: 'tcp', port: 65535, target: fallback } satisfies Redirect]),
    ];
    return samples.flatMap((redirect) => stagesOf(redirect, podLink, state.link, own, redirects.includes(redirect)));
  });
}

function stagesOf(
  { protocol, port, target, targetPort = port }: Redirect,
  podLink: string,
  egress: string,
  own: Address | undefined,
  isRedirect: boolean,
): Stage[] {
  const { family } = target;
  const what = isRedirect ? `${port}/${protocol}` : 'the fallback';
  const first = { family, protocol, incoming: podLink, state: 'new' } as const;
  const reply = {
    family,
    protocol,
    incoming: egress,
    state: 'established',
    source: target,
    sourcePort: targetPort,
  } as const;
  return [
    {
      hook: 'prerouting',
      what,
      probe: { ...first, destinationPort: port, isRedirected: false, ...(own !== undefined && { destination: own }) },
    },
    {
      hook: 'forward',
      what,
      probe: { ...first, outgoing: egress, destination: target, destinationPort: targetPort, isRedirected: true },
    },
    {
      hook: 'postrouting',
      what,
      probe: { ...first, outgoing: egress, destination: target, destinationPort: targetPort, isRedirected: true },
    },
    { hook: 'prerouting', what: `replies of ${what}`, probe: { ...reply, isRedirected: true } },
    { hook: 'forward', what: `replies of ${what}`, probe: { ...reply, outgoing: podLink, isRedirected: true } },
    { hook: 'postrouting', what: `replies of ${what}`, probe: { ...reply, outgoing: podLink, isRedirected: true } },
  ];
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
    what: `rules of somebody else drop what the router redirects (${first}${rest}): ${table.title}, chain ${fate.chain} at ${hook}, ${by}`,
    cure: `let it pass there, or keep that firewall out of the pod; to see the rules, ${inNamespace(netns, showRules(table))}`,
  };
}

/** What shows a table; names that somebody else chose are left out where a shell might run them. */
function showRules({ tool, title }: ForeignTable): string {
  if (tool === 'iptables') return title.replace('-save -t', ' -S -t');
  return /^table \w+ [\w.-]+$/.test(title) ? `nft list ${title}` : 'nft list ruleset';
}

/** Rules before our own door that let through what it would refuse; only iptables has one list for all. */
function findOpenDoors(observation: Observation): Finding[] {
  const { state, netns } = observation;
  return state.podLinks.flatMap(({ family, link: podLink }) => {
    const common = { family, protocol: 'tcp', state: 'new', isRedirected: false } as const;
    const strangers: Stage[] = [
      { hook: 'forward', what: 'from the cluster out', probe: { ...common, incoming: podLink, outgoing: state.link } },
      {
        hook: 'forward',
        what: 'from outside into the cluster',
        probe: { ...common, incoming: state.link, outgoing: podLink },
      },
      { hook: 'input', what: 'from outside into the pod', probe: { ...common, incoming: state.link } },
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
        what: `a rule of somebody else stands before the router's door and opens it (${ways}): ${first.table.title}, "${first.fate.rule?.text ?? ''}"`,
        cure: `${inNamespace(netns, showRules(first.table))}, delete that rule, and find out who adds it`,
      },
    ];
  });
}

/** Rules under a name of ours by the other backend, or of an owner who is not attached here. */
function findStaleRules({ ruleset, state, others, netns }: Observation): Finding[] {
  const living = [state, ...others];
  return ruleset.ours.flatMap(({ backend, name, owner }): Finding[] => {
    const isLiving = living.some(
      (one) => one.link === name && one.backend === backend && (owner === undefined || ownerOf(one.id) === owner),
    );
    if (isLiving) return [];
    const isBeside = living.some((one) => one.link === name);
    const what = isBeside
      ? `rules of the other backend, ${backend}, stand beside the router's own under the name ${name}`
      : `rules of a router that is gone stand under the name ${name} (${backend})`;
    const cure =
      backend === 'nftables'
        ? /^[\w.-]+$/.test(name)
          ? inNamespace(netns, `nft delete table inet egress-router-${name}`)
          : `delete that table; to see it, ${inNamespace(netns, 'nft list ruleset')}`
        : `delete the chains ER-${name}-… and the rules that lead to them; to see them, ${inNamespace(netns, 'iptables-save')}`;
    return [{ code: 'rules-stale', what, cure }];
  });
}
