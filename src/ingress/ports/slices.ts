import type { DesiredState } from './endpoint-quota.ts';
import type { IngressPort } from './model.ts';
import { numberKeyOf } from './port-number-key.ts';

/** Limits of ports and endpoints that are applied at once. */
const limits = { ports: 500, endpoints: 20_000 } as const;

/** Ports to apply now, and whether more are waiting. */
export interface Slice {
  readonly ports: readonly IngressPort[];
  /** Number of ports that are not applied yet. */
  readonly waiting: number;
}

/**
 * Splits a large change: removals, and changes of namespaces with few of them, come first, so that a tenant with
 * thousands of Routes delays only itself. A waiting port stays as it is applied.
 *
 * @param inForce the ports of the last slice
 * @param wanted all requested ports by namespace
 */
export function cutSlice(inForce: readonly IngressPort[], wanted: ReadonlyMap<string, readonly IngressPort[]>): Slice {
  const all = [...wanted.values()].flat();
  if (isSmall(inForce, all)) return { ports: all, waiting: 0 };
  const before = new Set(inForce);
  const changed = Array.from(wanted, ([namespace, ports]) => ({
    namespace,
    ports: ports.filter((port) => !before.has(port)),
  }));
  const total = changed.reduce((sum, { ports }) => sum + ports.length, 0);
  const chosen = new Set<IngressPort>();
  let room = limits.endpoints;
  // Smallest first, then by name, so that the result does not depend on the order of events.
  const bySize = changed.sort(
    (one, other) => one.ports.length - other.ports.length || (one.namespace < other.namespace ? -1 : 1),
  );
  const seen = new Set<IngressPort['endpoints']>();
  for (const port of bySize.flatMap(({ ports }) => ports)) {
    if (chosen.size >= limits.ports || (room <= 0 && chosen.size > 0)) break;
    chosen.add(port);
    if (!seen.has(port.endpoints)) room -= port.endpoints.length;
    seen.add(port.endpoints);
  }
  const known = new Map(inForce.map((port) => [numberKeyOf(port), port]));
  const ports = all.flatMap((port) => {
    if (before.has(port) || chosen.has(port)) return [port];
    // Unchanged until its turn.
    const old = known.get(numberKeyOf(port));
    return old === undefined ? [] : [old];
  });
  return { ports, waiting: total - chosen.size };
}

/** Returns whether a change need not be split. */
export function isSmall(inForce: readonly IngressPort[], wanted: readonly IngressPort[]): boolean {
  const before = new Set(inForce);
  const changed = wanted.filter((port) => !before.has(port));
  if (changed.length > limits.ports) return false;
  const lists = new Set(changed.map(({ endpoints }) => endpoints));
  return Array.from(lists).reduce((sum, { length }) => sum + length, 0) <= limits.endpoints;
}

/** Groups the desired ports by namespace. */
export function groupByNamespace({
  admissions,
  portsOfRequests,
}: DesiredState): ReadonlyMap<string, readonly IngressPort[]> {
  const groups = new Map<string, IngressPort[]>();
  for (const [index, { request }] of admissions.admitted.entries()) {
    const { namespace } = request.meta;
    const group = groups.get(namespace);
    const ports = portsOfRequests[index] ?? [];
    if (group === undefined) groups.set(namespace, [...ports]);
    else group.push(...ports);
  }
  return groups;
}
