import { isDeepStrictEqual } from 'node:util';
import { mergeConditions, readRecords, writeTime } from '../../base/kubernetes/conditions.ts';
import type { SeenObject, StatusChange } from '../../base/kubernetes/status-writer.ts';
import { keyOf } from '../../base/read/object-meta.ts';
import type { Service } from '../objects/service.ts';
import type { Assignments, PoolReport } from '../pools/assign.ts';
import type { Holding } from '../pools/holding.ts';

/** Virtual addresses of a Service of type LoadBalancer with our class. */
export interface BalancerReport {
  readonly uid: string;
  /** No node holds an address at the moment, so the stored status is preserved. */
  readonly isPending?: true;
  /** Addresses that nodes hold. */
  readonly addresses: readonly string[];
}

/** Result of one IngressAddressPool. */
export interface PoolStatusReport extends Pick<PoolReport, 'assigned' | 'free' | 'problems'> {
  readonly uid: string;
  readonly generation: number | undefined;
  readonly isPending?: true;
}

/** Results of virtual addresses for the statuses of Services and pools, by `NAMESPACE/NAME`. */
export interface AddressReports {
  readonly services: ReadonlyMap<string, BalancerReport>;
  readonly pools: ReadonlyMap<string, PoolStatusReport>;
}

/** Input of {@link reportAddresses}. */
interface AddressReportInput {
  readonly services: Iterable<Service>;
  readonly assignments: Assignments;
  readonly balancerClass: string;
  readonly holdingOf: (address: string) => Holding;
}

/** Returns the results of all Services with our class, and of all pools. */
export function reportAddresses(input: AddressReportInput): AddressReports {
  const { assignments, holdingOf } = input;
  const services = new Map<string, BalancerReport>();
  for (const { meta, balancer } of input.services) {
    if (balancer?.className !== input.balancerClass) continue;
    const addresses = assignments.claims.get(meta.uid)?.addresses.map(({ text }) => text) ?? [];
    const isWaiting = addresses.some((address) => holdingOf(address).state === 'waiting');
    services.set(keyOf(meta), {
      uid: meta.uid,
      ...(isWaiting && { isPending: true }),
      addresses: addresses.filter((address) => holdingOf(address).state === 'held'),
    });
  }
  const pools = assignments.pools.map(({ pool: { meta }, assigned, free, problems }): [string, PoolStatusReport] => [
    keyOf(meta),
    { uid: meta.uid, generation: meta.generation, assigned, free, problems },
  ]);
  return { services, pools: new Map(pools) };
}

/** Returns the status change of a Service. Undefined for a Service of another implementation, which has no report. */
export function planBalancer(
  report: BalancerReport | undefined,
  { status }: Pick<SeenObject, 'status'>,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const [loadBalancer] = readRecords([status.loadBalancer]);
  const written = readRecords(loadBalancer?.ingress).map(({ ip }) => ip);
  if (isDeepStrictEqual(written, report.addresses)) return undefined;
  const ingress = report.addresses.map((ip) => ({ ip }));
  return { status: { loadBalancer: { ingress } }, wanted: JSON.stringify(report.addresses) };
}

/** Returns the status change of an IngressAddressPool. */
export function planPool(
  report: PoolStatusReport | undefined,
  { status }: Pick<SeenObject, 'status'>,
  now: Date,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const { assigned, free, problems, generation } = report;
  const draft =
    problems.length === 0
      ? { type: 'Ready', status: 'True' as const, reason: 'Ready', message: '' }
      : { type: 'Ready', status: 'False' as const, reason: 'AddressesInUse', message: problems.join('; ') };
  const conditions = mergeConditions([draft], status.conditions, { now: writeTime(now), generation });
  const next = { assigned, free, conditions };
  if (isDeepStrictEqual(pickPool(status), next)) return undefined;
  return { status: next, wanted: JSON.stringify([assigned, free, draft]) };
}

function pickPool({ assigned, free, conditions }: SeenObject['status']): unknown {
  return { assigned, free, conditions };
}
