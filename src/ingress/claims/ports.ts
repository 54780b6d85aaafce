import { formatProblem } from '../../base/model/problem.ts';
import type { AskedPort, PortDemand, PortRequest } from '../intent/port-request.ts';
import { findDomainProblem } from './domains.ts';
import { byClaim } from './order.ts';
import type { AdmissionPolicy } from './policy.ts';
import { formatPortRanges, includesPort } from './port-ranges.ts';

/** Why a request for ports is rejected, as statuses show it. */
export type PortRefusalReason =
  | 'HostNotAllowed'
  | 'ExtendedValidationFailed'
  | 'UnsupportedTermination'
  | 'PortNotAllowed'
  | 'PortInUseOnNode'
  | 'PortAlreadyClaimed'
  | 'QuotaExceeded';

/** A request that got all its ports. */
export interface AdmittedPorts {
  readonly request: PortRequest;
  readonly demand: PortDemand;
}

/** A request that got none of its ports. */
export interface RefusedPorts {
  readonly request: PortRequest;
  readonly reason: PortRefusalReason;
  /** Message for the author. Names no objects of other namespaces. */
  readonly message: string;
}

/** Result of all requests for ports. */
export interface PortAdmissions {
  /** Oldest first. No two share protocol, port and address. */
  readonly admitted: readonly AdmittedPorts[];
  readonly refused: readonly RefusedPorts[];
}

/** Another user of the node's ports. */
export interface PortClaimant {
  has(protocol: AskedPort['protocol'], port: number): boolean;
}

/** Everything else that the decision depends on. */
export interface PortContext {
  readonly policy: AdmissionPolicy;
  /** Ports with a listener on the node, as {@link portKey} formats them. */
  readonly listeners: ReadonlySet<string>;
  /** Those of them without a current listener, which are kept for their previous one. */
  readonly held?: ReadonlySet<string>;
  /** Ports that rules of other programs translate, such as a pod's `hostPort`. */
  readonly translated?: PortClaimant;
  /** Addresses of this node. Ports at those of other nodes do not concern its programs. Absent: all are of this node. */
  readonly ownAddresses?: ReadonlySet<string>;
}

/** Returns the key of a port: `tcp 13306`, or `tcp 13306 192.0.2.10`. Only one request can own it. */
export function portKey({ protocol, port, address }: AskedPort): string {
  return address === undefined ? `${protocol} ${port}` : `${protocol} ${port} ${address.text}`;
}

/**
 * Decides who owns the requested ports: the first request in the order of {@link byClaim}. A request gets all its
 * ports or none. A rejected request owns nothing, so a mistake in one never keeps a port from another. The result
 * depends on the requests only, not on their order.
 */
export function decidePorts(requests: Iterable<PortRequest>, context: PortContext): PortAdmissions {
  const owners = new PortOwners();
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
    for (const asked of verdict.demand.ports) owners.set(asked, request);
    admitted.push(verdict);
  }
  return { admitted, refused };
}

/** Rejects a request that would exceed a quota of its namespace. */
export function refuseQuota(request: PortRequest, what: 'ports' | 'endpoints', quota: number): RefusedPorts {
  const message = `the namespace may have ${quota} ${what} on this router; remove older Routes, or ask the administrator to raise the quota`;
  return { request, reason: 'QuotaExceeded', message };
}

/** The owners of ports. */
class PortOwners {
  readonly #owners = new Map<string, PortRequest>();
  /** The first owner of a port at a single address of a node, by protocol and port. */
  readonly #placed = new Map<string, PortRequest>();

  set(asked: AskedPort, owner: PortRequest): void {
    this.#owners.set(portKey(asked), owner);
    if (asked.ofNode !== true) return;
    const key = portKey({ protocol: asked.protocol, port: asked.port });
    if (!this.#placed.has(key)) this.#placed.set(key, owner);
  }

  /** Returns the owner of a port that excludes a request, or undefined. */
  find(asked: AskedPort, request: PortRequest): PortRequest | undefined {
    const owner = this.#owners.get(portKey(asked));
    if (owner !== undefined) return owner;
    // All addresses of the nodes include each of them.
    const { protocol, port, address, ofNode } = asked;
    const rival = ofNode
      ? this.#owners.get(portKey({ protocol, port }))
      : address === undefined && this.#placed.size > 0
        ? this.#placed.get(portKey(asked))
        : undefined;
    // HAProxy tells listeners for hosts apart, whatever their addresses.
    return rival?.isClaim === true && request.isClaim === true ? undefined : rival;
  }
}

function judge(
  request: PortRequest,
  { policy, listeners, held, translated, ownAddresses }: PortContext,
  owners: PortOwners,
): AdmittedPorts | RefusedPorts {
  const refuse = (reason: PortRefusalReason, message: string): RefusedPorts => ({ request, reason, message });
  const { demand, host, listener, meta } = request;
  // Gateways have no host; their class selects them.
  const hostProblem = listener === undefined ? findDomainProblem(host, 'spec.host', policy) : undefined;
  if (hostProblem !== undefined) return refuse('HostNotAllowed', hostProblem);
  if (!demand.ok) return refuse('ExtendedValidationFailed', describeProblems(demand.problems.map(formatProblem)));
  const { termination, ports } = demand.value;
  if (termination === 'edge' || termination === 'reencrypt') {
    const message = `spec.tls.termination "${termination}": must be "passthrough", or tls must be absent, because ports do not terminate TLS`;
    return refuse('UnsupportedTermination', message);
  }
  for (const asked of ports) {
    const portProblem = findPortProblem(asked, meta.namespace, policy);
    if (portProblem !== undefined) return refuse('PortNotAllowed', `${nameOf(asked)} ${portProblem}`);
    // Programs of the node do not answer at a virtual address, and its rules precede theirs.
    const { protocol, port, address } = asked;
    const isHere = address === undefined || (asked.ofNode && ownAddresses?.has(address.text) !== false);
    // A program may listen at one address only, but reserves the port at all of them.
    const everywhere = portKey({ protocol, port });
    if (isHere && listeners.has(everywhere)) {
      const isHeld = held?.has(everywhere) === true;
      const state = isHeld ? 'is kept for a program that listened there' : 'is used by a program';
      return refuse('PortInUseOnNode', `${nameOf(asked)} ${state} on the node`);
    }
    if (isHere && translated?.has(protocol, port) === true) {
      const cure = 'choose another port, or remove that rule, for example the hostPort of a pod';
      return refuse(
        'PortInUseOnNode',
        `${nameOf(asked)} is translated by a rule of another program on the node; ${cure}`,
      );
    }
    const owner = owners.find(asked, request);
    if (owner !== undefined) {
      return refuse('PortAlreadyClaimed', `${nameOf(asked)} belongs to ${nameOwner(owner, request)}`);
    }
  }
  return { request, demand: demand.value };
}

/**
 * A virtual address belongs to its owner alone, so all of its ports are available but those that the administrator
 * reserves everywhere. The other rules protect the node and divide its ports between namespaces.
 */
function findPortProblem(
  { port, address, ofNode }: AskedPort,
  namespace: string,
  policy: AdmissionPolicy,
): string | undefined {
  if (includesPort(policy.reservedPorts, port)) return 'is reserved by the administrator';
  if (address !== undefined && ofNode !== true) return undefined;
  if (includesPort(policy.nodePorts, port)) return 'is in the range of NodePort Services';
  if (includesPort(policy.nodeServicePorts, port)) return "is a port of the node's own services";
  const own = policy.namespacePorts.get(namespace) ?? [];
  if (includesPort(own, port)) return undefined;
  for (const [other, ranges] of policy.namespacePorts) {
    // Does not mention the other namespace, because that would reveal its ports.
    if (other !== namespace && includesPort(ranges, port)) return 'is reserved by the administrator';
  }
  if (includesPort(policy.allowedPorts, port)) return undefined;
  return `is not among the ports that this namespace may use: ${formatPortRanges([...policy.allowedPorts, ...own])}`;
}

function nameOf({ protocol, port, address }: AskedPort): string {
  return `${protocol.toUpperCase()} port ${port}${address === undefined ? '' : ` of ${address.text}`}`;
}

function nameOwner(owner: PortRequest, loser: PortRequest): string {
  const kind = owner.listener === undefined ? 'Route' : (owner.kind ?? 'Gateway');
  return owner.meta.namespace === loser.meta.namespace ? `the older ${kind} ${owner.meta.name}` : 'an older claim';
}

/** Maximum number of problems in a status message. */
const toldProblems = 3;

function describeProblems(problems: readonly string[]): string {
  const more = problems.length - toldProblems;
  return `${problems.slice(0, toldProblems).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
