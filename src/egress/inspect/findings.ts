import { type Deviation, findDeviations } from '../plan/check.ts';
import { type Finding, recreate } from './finding.ts';
import { findForeignProblems } from './findings/foreign.ts';
import { findLinkProblems, findMasterProblems, findPodLinkProblems } from './findings/link.ts';
import { findNeighbourProblems } from './findings/neighbour.ts';
import { findDivertedWays, findRouteProblems } from './findings/route.ts';
import { findRuleProblems } from './findings/rules.ts';
import { findSuspension } from './findings/suspension.ts';
import { findTrafficProblems } from './findings/traffic.ts';
import { findTranslationProblems } from './findings/translation.ts';
import type { Observation } from './observation.ts';

/** Problems of a router, and notes on the limits of the inspection. */
export interface Verdict {
  readonly problems: readonly Finding[];
  /** Those of the notes that tell what may disturb connections. */
  readonly doubts: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Returns the problems of a router. Only causes are reported: a link that is down explains its missing
 * routes and its silent gateway.
 */
export function judge(observation: Observation): Verdict {
  const deviations = listDeviations(observation);
  const link = findLinkProblems(observation, deviations);
  const master = findMasterProblems(observation);
  const podLink = findPodLinkProblems(observation);
  const isLinkDead = link.some(({ code }) => fatal.has(code));
  const isCut = isLinkDead || master.length > 0;
  const routes = findRouteProblems(
    observation,
    deviations.filter((one) => !follows(one, observation, isLinkDead, podLink.length > 0)),
  );
  const rules = findRuleProblems(observation);
  const found = findForeignProblems(observation);
  const translation = findTranslationProblems(observation);
  const foreign = { findings: [...found.findings, ...translation.findings] };
  const doubts = [...found.notes, ...translation.doubts];
  const isWayKnown = isLinkDead || podLink.length > 0 || routes.length > 0;
  const neighbours = isCut ? [] : findNeighbourProblems(observation);
  const suspension = isLinkDead ? [] : findSuspension(observation, [...master, ...neighbours]);
  const isWayOpen =
    !isWayKnown && !isCut && suspension.length === 0 && neighbours.length === 0 && foreign.findings.length === 0;
  const traffic = findTrafficProblems(observation).filter(({ code }) => code === 'tracking-full' || isWayOpen);
  return {
    problems: [
      ...findStateProblems(observation),
      ...suspension,
      // The finding about the renamed master already covers this link.
      ...link.filter(({ code }) => code !== 'link-master' || master.length === 0),
      ...master,
      ...podLink,
      ...neighbours,
      ...routes,
      ...(isWayKnown ? [] : findDivertedWays(observation)),
      ...rules,
      ...foreign.findings,
      ...traffic,
    ],
    doubts,
    notes: [...doubts, ...listNotes(observation)],
  };
}

/** Findings without which no traffic can leave the router. */
const fatal: ReadonlySet<string> = new Set([
  'link-missing',
  'link-renamed',
  'link-replaced',
  'link-down',
  'address-missing',
]);

function listDeviations({ desired, resolved, state, pod, others }: Observation): Deviation[] {
  const deviations = findDeviations(desired, resolved, state, pod, others);
  // Without a state file, the intended mode, master, MTU and MAC address are unknown.
  return state.router === undefined ? deviations.filter(({ kind }) => !kind.startsWith('link-m')) : deviations;
}

/** Returns whether a dead link explains the deviation. */
function follows(
  { kind, subject }: Deviation,
  { state }: Observation,
  isLinkDead: boolean,
  isPodLinkDead: boolean,
): boolean {
  const isAbout = (link: string): boolean => subject.split(' ').includes(link) || subject.includes(`/${link}/`);
  if (kind !== 'route-missing' && kind !== 'sysctl') return false;
  if (isLinkDead && isAbout(state.link)) return true;
  return isPodLinkDead && state.podLinks.some(({ link }) => isAbout(link));
}

function findStateProblems({ isRemembered, state }: Observation): Finding[] {
  if (isRemembered) return [];
  return [
    {
      code: 'state-missing',
      what: `the state file of ${state.link} in /run/egress-router is missing, so its configured redirects are unknown`,
      cure: `${recreate}, and find out what removes files from /run/egress-router`,
    },
  ];
}

/** Names the bridge of the pod if replies that stay on it bypass the translation of Services. */
function listBridgeNotes({ state, pod, node, unfilteredBridges }: Observation): string[] {
  return state.podLinks.flatMap(({ family, link }) => {
    const peer = pod.links.find(({ name }) => name === link)?.parentIndex;
    const bridge = node.links.find(({ index }) => index === node.links.find((one) => one.index === peer)?.memberOf);
    if (bridge === undefined || unfilteredBridges?.[family].includes(bridge.name) !== true) return [];
    const setting = `bridge-nf-call-${family === 4 ? 'iptables' : 'ip6tables'}`;
    return [
      `pods on bridge ${bridge.name} of the node reach the router at its own address only, not through a Service: ` +
        `their replies bypass the rules of the node; load br_netfilter and set net.bridge.${setting} to 1`,
    ];
  });
}

function listNotes(observation: Observation): string[] {
  const { state, isRemembered, pod, claimants, otherVariant } = observation;
  const notes: string[] = listBridgeNotes(observation);
  if (isRemembered && state.router === undefined) {
    notes.push(
      'rules were not compared: an older version created this router and did not record its configured redirects',
    );
  }
  if (otherVariant !== undefined) {
    notes.push(
      `rules were not compared: only ${otherVariant} lists them, but PATH here has another variant of iptables`,
    );
  }
  if (pod.sysctls.get('net/netfilter/nf_conntrack_acct') === '0') {
    notes.push(
      'packets and bytes are unknown: connection accounting is off in this namespace (net.netfilter.nf_conntrack_acct is 0)',
    );
  }
  if (claimants === undefined) notes.push('the gateway and the reserved address were not probed on the network');
  return notes;
}
