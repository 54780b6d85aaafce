import { type AdmittedPorts, type PortAdmissions, type RefusedPorts, refuseQuota } from '../claims/ports.ts';
import type { IngressPort } from './model.ts';

/** Everything about ports that follows from the objects at one moment. */
export interface DesiredState {
  readonly admissions: PortAdmissions;
  /** Ports of each admitted request, in the order of `admissions.admitted`. */
  readonly portsOfRequests: readonly (readonly IngressPort[])[];
}

/**
 * Rejects the youngest requests of namespaces whose ports have more endpoints than the quota. Endpoints of ports with
 * the same backends count once.
 */
export function limitEndpoints(desired: DesiredState, quota: number | undefined): DesiredState {
  if (quota === undefined) return desired;
  const counts = new Map<string, { sum: number; readonly lists: Set<IngressPort['endpoints']> }>();
  const admitted: AdmittedPorts[] = [];
  const portsOfRequests: (readonly IngressPort[])[] = [];
  const refused: RefusedPorts[] = [];
  for (const [index, one] of desired.admissions.admitted.entries()) {
    const { namespace } = one.request.meta;
    const count = counts.get(namespace) ?? { sum: 0, lists: new Set() };
    counts.set(namespace, count);
    const ports = desired.portsOfRequests[index] ?? [];
    const lists = new Set(ports.map(({ endpoints }) => endpoints)).difference(count.lists);
    const more = Array.from(lists).reduce((sum, { length }) => sum + length, 0);
    if (count.sum + more > quota) {
      refused.push(refuseQuota(one.request, 'endpoints', quota));
      continue;
    }
    count.sum += more;
    for (const list of lists) count.lists.add(list);
    admitted.push(one);
    portsOfRequests.push(ports);
  }
  if (refused.length === 0) return desired;
  return { admissions: { admitted, refused: [...desired.admissions.refused, ...refused] }, portsOfRequests };
}
