import { isDeepStrictEqual } from 'node:util';
import {
  type ConditionDraft,
  mergeConditions,
  readRecords,
  saySame,
  writeTime,
} from '../../base/kubernetes/conditions.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import type { SeenObject, StatusChange } from '../../base/kubernetes/status-writer.ts';
import { keyOf } from '../../base/read/object-meta.ts';
import { showValue } from '../../base/read/show-value.ts';
import type { Service } from '../objects/service.ts';
import type { AddressAssignment, Assignments, PoolReport } from '../pools/assign.ts';
import type { Holding } from '../pools/holding.ts';

/** Virtual addresses of a Service of type LoadBalancer with our class. */
export interface BalancerReport {
  readonly uid: string;
  /** No node holds an address at the moment, so the stored status is preserved. */
  readonly isPending?: true;
  /** Addresses that nodes hold. */
  readonly addresses: readonly string[];
  /** Whether nodes hold all of its addresses. */
  readonly condition: ConditionDraft;
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
  for (const { meta, balancer, localOnly } of input.services) {
    if (balancer?.className !== input.balancerClass) continue;
    const claim = assignments.claims.get(meta.uid);
    const holdings = (claim?.addresses ?? []).map(({ text }) => ({ text, holding: holdingOf(text) }));
    const isWaiting = holdings.some(({ holding }) => holding.state === 'waiting');
    const refusal =
      claim === undefined
        ? refuseNamespace(meta.namespace, balancer.pool)
        : (claim.refusal ?? findUnheld(holdings, localOnly));
    services.set(keyOf(meta), {
      uid: meta.uid,
      ...(isWaiting && { isPending: true }),
      addresses: holdings.flatMap(({ text, holding }) => (holding.state === 'held' ? [text] : [])),
      condition: {
        type: clusterNames.addressCondition,
        ...(refusal === undefined
          ? { status: 'True', reason: 'AddressHeld', message: '' }
          : { status: 'False', ...refusal }),
      },
    });
  }
  const pools = assignments.pools.map(({ pool: { meta }, assigned, free, problems }): [string, PoolStatusReport] => [
    keyOf(meta),
    { uid: meta.uid, generation: meta.generation, assigned, free, problems },
  ]);
  return { services, pools: new Map(pools) };
}

type AddressRefusal = NonNullable<AddressAssignment['refusal']>;

function refuseNamespace(namespace: string, pool: string | undefined): AddressRefusal {
  const message =
    pool === undefined
      ? `no pool of addresses admits the namespace ${namespace}; ask the administrator for an IngressAddressPool that does`
      : `the annotation ${clusterNames.addressPool} names ${showValue(pool)}, which is no pool of addresses that the namespace ${namespace} may use; correct the name, or ask the administrator for an IngressAddressPool of that name that admits the namespace`;
  return { reason: 'AddressNotUsable', message };
}

function findUnheld(
  holdings: readonly { readonly text: string; readonly holding: Holding }[],
  localOnly: boolean,
): AddressRefusal | undefined {
  const notes = holdings.flatMap(({ text, holding }) =>
    holding.state === 'free' ? [`no ingress node holds ${text}: ${holding.reason}`] : [],
  );
  if (notes.length === 0) return undefined;
  if (localOnly) {
    notes.push(
      'with externalTrafficPolicy Local, only an ingress node with a ready endpoint of the Service can hold it',
    );
  }
  return { reason: 'AddressNotAssigned', message: notes.join('; ') };
}

/** Returns the status change of a Service. Undefined for a Service of another implementation, which has no report. */
export function planBalancer(
  report: BalancerReport | undefined,
  { status }: Pick<SeenObject, 'status'>,
  now: Date,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const { addresses, condition } = report;
  const [loadBalancer] = readRecords([status.loadBalancer]);
  const written = readRecords(loadBalancer?.ingress).map(({ ip }) => ip);
  const conditions = mergeConditions([condition], status.conditions, { now: writeTime(now) });
  if (isDeepStrictEqual(written, addresses) && saySame(conditions, status.conditions)) return undefined;
  const ingress = addresses.map((ip) => ({ ip }));
  return { status: { loadBalancer: { ingress }, conditions }, wanted: JSON.stringify([addresses, condition]) };
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
