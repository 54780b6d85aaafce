import { type Deviation, findDeviations } from '../plan/check.ts';
import { type Finding, recreate } from './finding.ts';
import { findForeignProblems } from './findings/foreign.ts';
import { findLinkProblems, findMasterProblems, findPodLinkProblems } from './findings/link.ts';
import { findNeighbourProblems } from './findings/neighbour.ts';
import { findDivertedWays, findRouteProblems } from './findings/route.ts';
import { findRuleProblems } from './findings/rules.ts';
import { findTrafficProblems } from './findings/traffic.ts';
import type { Observation } from './observation.ts';

/** What is wrong, and what is only worth knowing. */
export interface Verdict {
  readonly problems: readonly Finding[];
  readonly notes: readonly string[];
}

/**
 * Says what is wrong with a router, causes only: what follows from a cause (a link that is down has no
 * routes and hears no gateway) is not told beside it.
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
  const foreign = findForeignProblems(observation);
  const isWayKnown = isLinkDead || podLink.length > 0 || routes.length > 0;
  const neighbours = isCut ? [] : findNeighbourProblems(observation);
  const isWayOpen = !isWayKnown && !isCut && neighbours.length === 0 && foreign.findings.length === 0;
  const traffic = findTrafficProblems(observation).filter(({ code }) => code === 'tracking-full' || isWayOpen);
  return {
    problems: [
      ...findStateProblems(observation),
      // A link on a renamed master is told once, by the master's own name.
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
    notes: [...foreign.notes, ...listNotes(observation)],
  };
}

/** What leaves no way out. */
const fatal: ReadonlySet<string> = new Set([
  'link-missing',
  'link-renamed',
  'link-replaced',
  'link-down',
  'address-missing',
]);

function listDeviations({ desired, resolved, state, pod, others }: Observation): Deviation[] {
  const deviations = findDeviations(desired, resolved, state, pod, others);
  // Where nothing is remembered, nobody knows how the link should be.
  return state.router === undefined ? deviations.filter(({ kind }) => !kind.startsWith('link-m')) : deviations;
}

/** Whether a deviation follows from a link that is not there. */
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
      what: `nothing is remembered of ${state.link}: its file in /run/egress-router is gone, so that nobody knows what it should redirect`,
      cure: `${recreate}, and find out who empties /run/egress-router`,
    },
  ];
}

function listNotes({ state, isRemembered, pod, claimants, otherVariant }: Observation): string[] {
  const notes: string[] = [];
  if (isRemembered && state.router === undefined) {
    notes.push(
      'an older version made this router: what it should redirect is not remembered, so rules were not compared',
    );
  }
  if (otherVariant !== undefined) {
    notes.push(`the rules were not compared: they are by ${otherVariant}, which is not the iptables in PATH here`);
  }
  if (pod.sysctls.get('net/netfilter/nf_conntrack_acct') === '0') {
    notes.push(
      'connections are not counted here (net.netfilter.nf_conntrack_acct is 0), so packets and bytes are not known',
    );
  }
  if (claimants === undefined)
    notes.push('nobody was asked on the wire whether the gateway answers and the address is free');
  return notes;
}
