import { describeBackends } from '../backends/describe-backends.ts';
import type { EndpointFinder } from '../backends/endpoints.ts';
import { type AdmittedPorts, type PortAdmissions, portKey } from '../claims/ports.ts';
import { notApplied, type Pending, type Verdict } from '../intent/plane.ts';
import type { PortRequest } from '../intent/port-request.ts';
import type { IngressPort } from './model.ts';

/** Input of verdicts besides the decisions about ports. */
export interface VerdictContext {
  readonly finder: EndpointFinder;
  /** Name of this node. */
  readonly node: string;
  /** Ports of each admitted request, in the order of the admissions. */
  readonly portsOfRequests: readonly (readonly IngressPort[])[];
  /** The part of each admitted request that is not applied. */
  readonly pending: readonly (Pending | undefined)[];
  /** Why no connection reaches an endpoint through this node. Undefined if they do. */
  readonly unreadiness: string | undefined;
}

/** Returns the result of every request for a port. */
export function listVerdicts({ admitted, refused }: PortAdmissions, context: VerdictContext): readonly Verdict[] {
  // The data plane that serves claimed ports reports on them.
  return [
    ...admitted.flatMap((one, index) =>
      one.request.isClaim === true
        ? []
        : [describeAdmitted(one, context.portsOfRequests[index] ?? [], context.pending[index], context)],
    ),
    ...refused
      .filter(({ request }) => request.isClaim !== true)
      .map(
        ({ request, reason, message }): Verdict => ({
          ...describeRequest(request),
          reason,
          message,
          notes: [],
          ignored: request.demand.ok ? request.demand.value.ignored : [],
        }),
      ),
  ];
}

function describeAdmitted(
  { request, demand }: AdmittedPorts,
  open: readonly IngressPort[],
  pending: Pending | undefined,
  { finder, node, unreadiness }: VerdictContext,
): Verdict {
  const { ports, backends, targetPort, ignored } = demand;
  const problem = pending?.problem;
  if (pending?.what === 'all' && problem !== undefined) {
    return { ...describeRequest(request), pending, reason: notApplied, message: problem, notes: [], ignored };
  }
  const choices = ports.map(({ protocol }) => ({ protocol, ...(targetPort !== undefined && { targetPort }) }));
  const notes = [...describeBackends(backends, request.meta.namespace, choices, finder)];
  if (open.some(lacksLocalEndpoint)) {
    notes.push(
      `node ${node} has no ready endpoint, which externalTrafficPolicy Local requires, and rejects connections`,
    );
  }
  if (unreadiness !== undefined) notes.push(`node ${node}: ${unreadiness}`);
  if (problem !== undefined) notes.push(problem);
  const state = { ports: ports.map(portKey), ...(pending !== undefined && { pending }) };
  return { ...describeRequest(request), ...state, notes, ignored };
}

/** Returns whether a port has no target only because endpoints of other nodes do not count. */
export function lacksLocalEndpoint({ localOnly, endpoints }: IngressPort): boolean {
  return localOnly === true && !endpoints.some(({ local, weight }) => local && weight > 0);
}

function describeRequest({
  meta,
  kind,
  host,
  listener,
}: PortRequest): Pick<Verdict, 'meta' | 'kind' | 'host' | 'listener'> {
  return {
    meta,
    ...(kind !== undefined && { kind }),
    ...(host !== undefined && { host }),
    ...(listener !== undefined && { listener }),
  };
}
