import type { Labels, ObjectMeta } from '../../api/object-meta.ts';
import type { Route, RouteDemand } from '../../api/route.ts';
import type { AskedPort } from '../../api/route-annotations.ts';
import { formatProblem } from '../../model/problem.ts';
import { matchesLabels } from './label-selector.ts';
import type { AdmissionPolicy } from './policy.ts';
import { formatPortRanges, includesPort } from './port-ranges.ts';

/** Why a Route is not admitted, as its status says it. */
export type RefusalReason =
  | 'HostNotAllowed'
  | 'ExtendedValidationFailed'
  | 'UnsupportedTermination'
  | 'PortNotAllowed'
  | 'PortInUseOnNode'
  | 'PortAlreadyClaimed';

/** A Route that has all the ports it asks for. */
export interface Admitted {
  readonly route: Route;
  readonly demand: RouteDemand;
}

/** A Route for this router that has none of its ports. */
export interface Refused {
  readonly route: Route;
  readonly reason: RefusalReason;
  /** For the Route's author: names nothing of other namespaces. */
  readonly message: string;
}

/** What became of all Routes for this router; Routes for others are in neither list. */
export interface Admissions {
  /** The oldest first; no two share protocol and port. */
  readonly admitted: readonly Admitted[];
  readonly refused: readonly Refused[];
}

/** What besides the Routes decides about them. */
export interface ClaimSurroundings {
  readonly policy: AdmissionPolicy;
  /** Labels of a namespace; undefined when it does not exist. */
  readonly labelsOfNamespace: (namespace: string) => Labels | undefined;
  /** Ports with a listener on the node, as {@link portKey} writes them. */
  readonly listeners: ReadonlySet<string>;
}

/** `tcp 13306`: what no two Routes can own. */
export function portKey({ protocol, port }: AskedPort): string {
  return `${protocol} ${port}`;
}

/**
 * Decides which Routes own the ports they ask for: the oldest, then the one with the lower UID. A
 * Route gets all of its ports or none, and one that is refused for any reason holds nothing, so that
 * a mistake of one never keeps a port from another. Depends on the Routes alone, not on their order.
 */
export function decideClaims(routes: Iterable<Route>, surroundings: ClaimSurroundings): Admissions {
  const candidates = [...routes].filter((route) => isForUs(route, surroundings)).sort(byAge);
  const owners = new Map<string, Route>();
  const admitted: Admitted[] = [];
  const refused: Refused[] = [];
  for (const route of candidates) {
    const verdict = judge(route, surroundings, owners);
    if ('reason' in verdict) {
      refused.push(verdict);
      continue;
    }
    for (const asked of verdict.demand.ports) owners.set(portKey(asked), route);
    admitted.push(verdict);
  }
  return { admitted, refused };
}

function byAge({ meta: one }: { readonly meta: ObjectMeta }, { meta: other }: { readonly meta: ObjectMeta }): number {
  // Undated ones are Infinity, and Infinity - Infinity is no number.
  if (one.created !== other.created) return one.created < other.created ? -1 : 1;
  return one.uid < other.uid ? -1 : 1;
}

function isForUs({ routerName, meta, listener }: Route, { policy, labelsOfNamespace }: ClaimSurroundings): boolean {
  // Gateways say by their class whose they are.
  if (listener !== undefined) return true;
  if (policy.routerName !== undefined && routerName !== policy.routerName) return false;
  if (!matchesLabels(policy.routeLabels, meta.labels)) return false;
  if (policy.namespaceLabels.length === 0) return true;
  const labels = labelsOfNamespace(meta.namespace);
  return labels !== undefined && matchesLabels(policy.namespaceLabels, labels);
}

function judge(
  route: Route,
  { policy, listeners }: ClaimSurroundings,
  owners: ReadonlyMap<string, Route>,
): Admitted | Refused {
  const refuse = (reason: RefusalReason, message: string): Refused => ({ route, reason, message });
  const hostProblem = findHostProblem(route, policy);
  if (hostProblem !== undefined) return refuse('HostNotAllowed', hostProblem);
  const { demand } = route;
  if (!demand.ok) return refuse('ExtendedValidationFailed', describeProblems(demand.problems.map(formatProblem)));
  const { termination, ports } = demand.value;
  if (termination === 'edge' || termination === 'reencrypt') {
    const message = `spec.tls.termination "${termination}": must be "passthrough", or tls absent: this router does not end TLS`;
    return refuse('UnsupportedTermination', message);
  }
  for (const asked of ports) {
    const portProblem = findPortProblem(asked.port, route.meta.namespace, policy);
    if (portProblem !== undefined) return refuse('PortNotAllowed', `${nameOf(asked)} ${portProblem}`);
    if (listeners.has(portKey(asked))) {
      return refuse('PortInUseOnNode', `${nameOf(asked)} is used by a program on the node`);
    }
    const owner = owners.get(portKey(asked));
    if (owner !== undefined) {
      return refuse('PortAlreadyClaimed', `${nameOf(asked)} belongs to ${nameOwner(owner, route)}`);
    }
  }
  return { route, demand: demand.value };
}

function findHostProblem({ host, listener }: Route, policy: AdmissionPolicy): string | undefined {
  const { allowedDomains, deniedDomains } = policy;
  if (host !== undefined && deniedDomains.some((domain) => isWithin(host, domain))) {
    return `spec.host "${host}": is in a domain that this router denies`;
  }
  if (allowedDomains.length === 0 || listener !== undefined) return undefined;
  if (host === undefined) return 'spec.host missing: must be in a domain that this router allows';
  if (allowedDomains.some((domain) => isWithin(host, domain))) return undefined;
  return `spec.host "${host}": must be in a domain that this router allows`;
}

/** Whether a host is the domain or below it: `b.a.com` is within `a.com`, `ba.com` is not. */
function isWithin(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}

function findPortProblem(port: number, namespace: string, policy: AdmissionPolicy): string | undefined {
  if (includesPort(policy.nodePorts, port)) return 'is in the range of NodePort Services';
  if (includesPort(policy.reservedPorts, port)) return 'is reserved by the administrator';
  const own = policy.namespacePorts.get(namespace) ?? [];
  if (includesPort(own, port)) return undefined;
  for (const [other, ranges] of policy.namespacePorts) {
    // Not said to be another namespace's: that would tell which ports others were given.
    if (other !== namespace && includesPort(ranges, port)) return 'is reserved by the administrator';
  }
  if (includesPort(policy.allowedPorts, port)) return undefined;
  return `is not among the ports that this namespace may use: ${formatPortRanges([...policy.allowedPorts, ...own])}`;
}

function nameOf({ protocol, port }: AskedPort): string {
  return `${protocol.toUpperCase()} port ${port}`;
}

function nameOwner(owner: Route, loser: Route): string {
  const kind = owner.listener === undefined ? 'Route' : 'Gateway';
  return owner.meta.namespace === loser.meta.namespace ? `the older ${kind} ${owner.meta.name}` : 'an older claim';
}

/** Status messages are short: a Route of 100 mistakes is told of the first few. */
const toldProblems = 3;

function describeProblems(problems: readonly string[]): string {
  const more = problems.length - toldProblems;
  return `${problems.slice(0, toldProblems).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
