import type { ForeignTable, Ruleset } from '../base/firewall/chain.ts';
import { readIptables } from '../base/firewall/iptables.ts';
import { readNftables, readTableHandles } from '../base/firewall/nftables.ts';
import { readUnfilteredBridges } from '../base/linux/bridges.ts';
import type { Address, Family } from '../base/model/address.ts';
import { renderEndpoint } from '../base/model/endpoint.ts';
import type { NamespaceSnapshot } from '../base/model/network.ts';
import { expandNames } from '../base/model/redirect.ts';
import { readSavedRules } from '../base/rules/iptables/saved.ts';
import type { Attempt, Observation, Way } from '../egress/inspect/observation.ts';
import { resolveRemembered } from '../egress/inspect/remembered.ts';
import { type ConnectionTarget, tryConnections } from '../egress/linux/connection-probe.ts';
import { NamespaceInspector } from '../egress/linux/inspection.ts';
import type { Kernel, StateStore } from '../egress/linux/kernel-api.ts';
import { openLinuxKernel } from '../egress/linux/parts.ts';
import { listRules } from '../egress/linux/rule-listing.ts';
import { listRuleText, type RuleText } from '../egress/linux/rule-text.ts';
import type { AttachmentState } from '../egress/model/state.ts';
import { describeDesired, ownerOf } from '../egress/plan/desired.ts';
import { inwardMark } from '../egress/plan/marks.ts';
import { ownerOfAlias, recoverState } from '../egress/plan/recover.ts';
import type { Resolved } from '../egress/plan/resolve.ts';
import { ErctlError } from './failure.ts';
import type { Target } from './target.ts';

/** How to examine a router. */
export interface LookOptions {
  /** Whether to probe gateways and the reserved address. Without it nothing is sent. */
  readonly asksOnWire: boolean;
  /** Returns the connections to try from the pod after the observation. */
  readonly listAttempts: (seen: Observation) => readonly ConnectionTarget[];
  /** The client whose way back is traced. Absent: the pod's previous gateway represents all clients. */
  readonly client?: Address;
}

/** Milliseconds to wait for answers on the wire. */
const wireMilliseconds = 700;
/** Maximum number of destinations whose route is looked up; each takes the kernel microseconds. */
const mostTargets = 1024;
/** Maximum number of destinations that are tried, all at the same time. */
const mostAttempts = 64;

/** Observes the attachments of a target, one after another. Throws {@link KernelError} and {@link ErctlError}. */
export function lookAt(target: Target, store: StateStore, options: LookOptions): Observation[] {
  const states = listStates(target, store);
  const nodeRuleset = readRuleset(listRuleText());
  const unfilteredBridges = readUnfilteredBridges();
  const observations: Observation[] = [];
  for (const { state, isRemembered } of states) {
    const kernel = openLinuxKernel(target.netns, state.backend, store);
    try {
      observations.push({
        ...observe(kernel, target, state, isRemembered, store, options),
        nodeRuleset,
        unfilteredBridges,
      });
    } finally {
      kernel.close();
    }
  }
  return observations;
}

interface Known {
  readonly state: AttachmentState;
  readonly isRemembered: boolean;
}

/** Returns the attachments with a state file in a namespace, and those that only left traces there. */
function listStates(target: Target, store: StateStore): readonly Known[] {
  const bootId = store.bootId();
  const remembered = store
    .list()
    .filter((state) => state.netns.inode === target.inode && state.bootId === bootId)
    .filter((state) => target.link === undefined || state.link === target.link)
    .sort((one, other) => one.slot - other.slot)
    .map((state): Known => ({ state, isRemembered: true }));
  if (remembered.length > 0 && target.link !== undefined) return remembered;
  const kernel = openLinuxKernel(target.netns, 'auto', store);
  try {
    const pod = kernel.readNamespace();
    const text = listRuleText();
    const forgotten = pod.links
      .filter(({ name }) => target.link === undefined || target.link === name)
      .filter(({ alias }) => {
        const owner = ownerOfAlias(alias);
        return owner !== undefined && !remembered.some(({ state }) => ownerOf(state.id) === owner);
      })
      .map(({ name, alias }): Known => {
        const state = recoverState(name, ownerOfAlias(alias) ?? '', name, pod, kernel.netns);
        const backend = readRuleset(text).ours.find((one) => one.name === name)?.backend ?? state.backend;
        return { state: { ...state, backend, master: '' }, isRemembered: false };
      });
    const all = [...remembered, ...forgotten];
    if (all.length > 0) return all;
    throw new ErctlError(
      `There is no egress router in ${target.netns}${target.link === undefined ? '' : ` on ${target.link}`}: ` +
        'it has no state file, and no interface has the alias of one; "erctl list" lists the routers of this node',
    );
  } finally {
    kernel.close();
  }
}

function observe(
  kernel: Kernel,
  target: Target,
  state: AttachmentState,
  isRemembered: boolean,
  store: StateStore,
  options: LookOptions,
): Observation {
  const pod = kernel.readNamespace();
  const node = kernel.readNode({ routes: false });
  const text = listRuleText();
  const names = { name: state.link, owner: ownerOf(state.id), families: [4, 6] as const, chains: [], tables: [] };
  const listed = listRules(state.backend, names);
  const other = listed.length === 0 && state.backend === 'iptables' ? findOtherVariant(text, state.link) : undefined;
  const rules = countRules(other?.rules ?? listed, text);
  const resolved = resolveRemembered(state, node, pod, rules);
  const desired = describeDesired(state.id, state.link, resolved, pod);
  const inspector = new NamespaceInspector();
  try {
    const isSuspended = inspector.isSuspended(state.link);
    const claimants = options.asksOnWire ? askNeighbours(inspector, state, resolved, pod, isSuspended) : undefined;
    const seen: Observation = {
      state,
      isRemembered,
      netns: target.netns,
      resolved,
      desired,
      pod,
      node,
      others: store
        .list()
        .filter(
          (other) => other.netns.inode === target.inode && other.bootId === state.bootId && other.link !== state.link,
        ),
      rules,
      ruleDifferences:
        state.router === undefined || other !== undefined ? [] : kernel.compareRules(desired.program, desired.guard),
      ...(other !== undefined && { otherVariant: other.tool }),
      ruleset: readRuleset(text),
      neighbours: inspector.listNeighbours(),
      isSuspended,
      ...(claimants !== undefined && { claimants }),
      ways: lookUpWays(inspector, state, resolved, pod, options.client),
      flows: inspector.listFlows(),
      ...withTracking(inspector),
      attempts: [],
    };
    return { ...seen, attempts: tryTargets(options.listAttempts(seen)) };
  } finally {
    inspector.close();
  }
}

function withTracking(inspector: NamespaceInspector): Pick<Observation, 'tracking'> {
  const tracking = inspector.readTracking();
  return tracking === undefined ? {} : { tracking };
}

/** Parses all rules of the namespace into the form that a packet is traced through. */
function readRuleset(text: RuleText): Ruleset {
  const parts = [
    ...text.iptables.map((one) => readIptables(withoutCounters(one.text), one.family, one.tool)),
    ...(text.nftables === undefined ? [] : [readNftables(text.nftables)]),
  ];
  const handles = readTableHandles(text.nftables);
  const withOrder = (table: ForeignTable): ForeignTable => {
    // Only the nf_tables variant of iptables has tables that nft lists.
    if (table.tool !== 'iptables' || table.title.includes('legacy')) return table;
    const [family] = table.families;
    const order = handles.get(`${family === 6 ? 'ip6' : 'ip'} ${/ -t (\S+)$/.exec(table.title)?.[1] ?? ''}`);
    return order === undefined ? table : { ...table, order };
  };
  return { tables: parts.flatMap(({ tables }) => tables).map(withOrder), ours: parts.flatMap(({ ours }) => ours) };
}

/** Returns an attachment's rules that were installed with another variant of iptables than the one in PATH. */
function findOtherVariant(text: RuleText, link: string): { tool: string; rules: string[] } | undefined {
  const found = text.iptables.flatMap(({ tool, family, text: saved }) => {
    const { tables } = readSavedRules(withoutCounters(saved), link);
    const program = family === 4 ? 'iptables' : 'ip6tables';
    const rules = tables.flatMap(({ table, hooks, rules: own }) =>
      [...hooks, ...own].map((rule) => `${program} -t ${table} ${rule}`),
    );
    return rules.length === 0 ? [] : [{ tool, rules }];
  });
  const [first] = found;
  return first && { tool: first.tool, rules: found.flatMap(({ rules }) => rules) };
}

function withoutCounters(saved: string): string {
  return saved.replaceAll(/^\[\d+:\d+\] /gm, '');
}

/** Adds counters to our own rules. iptables counts the connections that a `nat` rule opened. */
function countRules(rules: readonly string[], text: RuleText): string[] {
  const counters = new Map<string, string>();
  for (const { family, text: saved } of text.iptables) {
    const nat = /^\*nat\n([\s\S]*?)^COMMIT$/m.exec(saved)?.[1] ?? '';
    for (const [, counter, rule] of nat.matchAll(/^(\[\d+:\d+\]) (-A ER-.*)$/gm)) {
      counters.set(`${family === 4 ? 'iptables' : 'ip6tables'} -t nat ${rule}`, counter ?? '');
    }
  }
  return rules.map((rule) => {
    const counter = counters.get(rule);
    return counter === undefined ? rule : rule.replace(' -t nat ', ` -t nat ${counter} `);
  });
}

/**
 * Probes gateways under the reserved address, except if the router is suspended or closed: another machine may have the
 * address by now, and its packets must not be redirected here.
 */
function askNeighbours(
  inspector: NamespaceInspector,
  state: AttachmentState,
  { reserved }: Resolved,
  pod: NamespaceSnapshot,
  isSuspended: boolean,
) {
  const isOpen = ({ text }: Address): boolean =>
    !isSuspended && pod.addresses.some(({ link, prefix }) => link === state.link && prefix.address.text === text);
  const questions = reserved.flatMap(({ prefix, gateway }) => [
    { address: gateway, ...(isOpen(prefix.address) && { asker: prefix.address }) },
    { address: prefix.address },
  ]);
  return inspector.askOnWire(state.link, questions, wireMilliseconds);
}

/** Returns the distinct destinations of redirects. */
function listTargets({ spec }: Resolved, family: Family): Address[] {
  const { redirects, fallbacks, named, fallbackName } = spec.redirects;
  const targets = [...redirects, ...expandNames(named)].map(({ target }) => target);
  const all = [...targets, ...fallbacks, ...(fallbackName?.targets ?? [])].filter((one) => one.family === family);
  return [...new Map(all.map((one) => [one.text, one])).values()].slice(0, mostTargets);
}

function lookUpWays(
  inspector: NamespaceInspector,
  state: AttachmentState,
  resolved: Resolved,
  pod: NamespaceSnapshot,
  given: Address | undefined,
): Way[] {
  const mark = inwardMark(state.slot);
  return state.podLinks.flatMap(({ family, link: podLink }): Way[] => {
    if (![podLink, state.link].every((name) => pod.links.some((link) => link.name === name))) return [];
    const client = given?.family === family ? given : gatewayOf(state, family);
    if (client === undefined) return [];
    return listTargets(resolved, family).flatMap((target): Way[] => {
      const outward = { destination: target, source: client, mark, incoming: podLink };
      const inward = { destination: client, source: target, mark, incoming: state.link };
      return [
        { family, direction: 'outward', question: outward, answer: inspector.lookUpRoute(outward) },
        { family, direction: 'inward', question: inward, answer: inspector.lookUpRoute(inward) },
      ];
    });
  });
}

/** Returns the pod's gateway to the cluster, which represents every client behind it. */
function gatewayOf({ inwardRoutes }: AttachmentState, family: Family): Address | undefined {
  return inwardRoutes.find((route) => route.family === family && route.gateway !== undefined)?.gateway;
}

function tryTargets(targets: readonly ConnectionTarget[]): Attempt[] {
  const outcomes = tryConnections(targets);
  return targets.flatMap((target, index) => {
    const outcome = outcomes[index];
    return outcome === undefined ? [] : [{ target: renderEndpoint(target), ...outcome }];
  });
}

/** Returns the distinct destinations of TCP redirects, up to a limit. */
export function listTcpTargets({ resolved }: Observation): ConnectionTarget[] {
  const { redirects, named } = resolved.spec.redirects;
  const targets = [...redirects, ...expandNames(named)]
    .filter(({ protocol }) => protocol === 'tcp')
    .map(
      ({ target, port, targetPort }): ConnectionTarget => ({
        protocol: 'tcp',
        address: target,
        port: targetPort ?? port,
      }),
    );
  return [...new Map(targets.map((one) => [`${one.address.text} ${one.port}`, one])).values()].slice(0, mostAttempts);
}
