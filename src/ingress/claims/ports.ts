import { formatProblem } from '../../base/model/problem.ts';
import type { AskedPort } from '../route/port-annotations.ts';
import type { PortDemand, PortRequest } from '../route/port-demand.ts';
import { byClaim } from './order.ts';
import type { AdmissionPolicy } from './policy.ts';
import { formatPortRanges, includesPort } from './port-ranges.ts';
import { findDomainProblem } from './selection.ts';

/** Why a request for ports is rejected, as statuses show it. */
export type PortRefusalReason =
  | 'HostNotAllowed'
  | 'ExtendedValidationFailed'
  | 'UnsupportedTermination'
  | 'PortNotAllowed'
  | 'PortInUseOnNode'
  | 'PortAlreadyClaimed'
  | 'QuotaExceeded';

/** One that has all the ports it asks for. */
export interface AdmittedPorts {
  readonly request: PortRequest;
  readonly demand: PortDemand;
}

/** One that has none of its ports. */
export interface RefusedPorts {
  readonly request: PortRequest;
  readonly reason: PortRefusalReason;
  /** For the author: names nothing of other namespaces. */
  readonly message: string;
}

/** What became of all requests for ports. */
export interface PortAdmissions {
  /** The oldest first; no two share protocol and port. */
  readonly admitted: readonly AdmittedPorts[];
  readonly refused: readonly RefusedPorts[];
}

/** Another user of the node's ports. */
export interface PortClaimant {
  has(protocol: AskedPort['protocol'], port: number): boolean;
}

/** What besides the requests decides about them. */
export interface PortContext {
  readonly policy: AdmissionPolicy;
  /** Ports with a listener on the node, as {@link portKey} writes them. */
  readonly listeners: ReadonlySet<string>;
  /** Those of them without a listener now, which are kept for their previous listener. */
  readonly held?: ReadonlySet<string>;
  /** Ports that rules of other programs translate, such as those of a pod's `hostPort`. */
  readonly translated?: PortClaimant;
}

/** `tcp 13306`: what no two requests can own. */
export function portKey({ protocol, port }: AskedPort): string {
  return `${protocol} ${port}`;
}

/**
 * Decides who owns the ports that are asked for: the oldest, then as {@link byClaim} orders. A request
 * gets all of its ports or none, and one that is refused for any reason holds nothing, so that a mistake
 * of one never keeps a port from another. Depends on the requests alone, not on their order.
 */
export function decidePorts(requests: Iterable<PortRequest>, context: PortContext): PortAdmissions {
  const owners = new Map<string, PortRequest>();
  const admitted: AdmittedPorts[] = [];
  const refused: RefusedPorts[] = [];
  const quota = context.policy.namespaceQuota?.ports ?? Number.POSITIVE_INFINITY;
  const counts = new Map<string, number>();
  for (const request of [...requests].sort(byClaim)) {
    const { namespace } = request.meta;
    const had = counts.get(namespace) ?? 0;
    const judged = judge(request, context, owners);
    const verdict =
      'reason' in judged || had + judged.demand.ports.length <= quota ? judged : refuseQuota(request, 'ports', quota);
    if (!('reason' in verdict)) counts.set(namespace, had + verdict.demand.ports.length);
    if ('reason' in verdict) {
      refused.push(verdict);
      continue;
    }
    for (const asked of verdict.demand.ports) owners.set(portKey(asked), request);
    admitted.push(verdict);
  }
  return { admitted, refused };
}

/** The answer to a request that would give its namespace more than its quota of something. */
export function refuseQuota(request: PortRequest, what: 'ports' | 'endpoints', quota: number): RefusedPorts {
  const message = `the namespace may have ${quota} ${what} on this router: remove older Routes, or ask the administrator for more`;
  return { request, reason: 'QuotaExceeded', message };
}

function judge(
  request: PortRequest,
  { policy, listeners, held, translated }: PortContext,
  owners: ReadonlyMap<string, PortRequest>,
): AdmittedPorts | RefusedPorts {
  const refuse = (reason: PortRefusalReason, message: string): RefusedPorts => ({ request, reason, message });
  const { demand, host, listener, meta } = request;
  // Gateways have no host: their class says whose they are.
  const hostProblem = listener === undefined ? findDomainProblem(host, policy) : undefined;
  if (hostProblem !== undefined) return refuse('HostNotAllowed', hostProblem);
  if (!demand.ok) return refuse('ExtendedValidationFailed', describeProblems(demand.problems.map(formatProblem)));
  const { termination, ports } = demand.value;
  if (termination === 'edge' || termination === 'reencrypt') {
    const message = `spec.tls.termination "${termination}": must be "passthrough", or tls absent: TLS does not end at a port`;
    return refuse('UnsupportedTermination', message);
  }
  for (const asked of ports) {
    const portProblem = findPortProblem(asked.port, meta.namespace, policy);
    if (portProblem !== undefined) return refuse('PortNotAllowed', `${nameOf(asked)} ${portProblem}`);
    if (listeners.has(portKey(asked))) {
      const isHeld = held?.has(portKey(asked)) === true;
      const state = isHeld ? 'is kept for a program that listened there' : 'is used by a program';
      return refuse('PortInUseOnNode', `${nameOf(asked)} ${state} on the node`);
    }
    if (translated?.has(asked.protocol, asked.port) === true) {
      const cure = 'choose another port, or remove that rule, for example the hostPort of a pod';
      return refuse(
        'PortInUseOnNode',
        `${nameOf(asked)} is translated by a rule of another program on the node; ${cure}`,
      );
    }
    const owner = owners.get(portKey(asked));
    if (owner !== undefined) {
      return refuse('PortAlreadyClaimed', `${nameOf(asked)} belongs to ${nameOwner(owner, request)}`);
    }
  }
  return { request, demand: demand.value };
}

function findPortProblem(port: number, namespace: string, policy: AdmissionPolicy): string | undefined {
  if (includesPort(policy.nodePorts, port)) return 'is in the range of NodePort Services';
  if (includesPort(policy.reservedPorts, port)) return 'is reserved by the administrator';
  if (includesPort(policy.nodeServicePorts, port)) return "is a port of the node's own services";
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

function nameOwner(owner: PortRequest, loser: PortRequest): string {
  const kind = owner.listener === undefined ? 'Route' : 'Gateway';
  return owner.meta.namespace === loser.meta.namespace ? `the older ${kind} ${owner.meta.name}` : 'an older claim';
}

/** Status messages are short: of 100 mistakes the first few are listed. */
const toldProblems = 3;

function describeProblems(problems: readonly string[]): string {
  const more = problems.length - toldProblems;
  return `${problems.slice(0, toldProblems).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
