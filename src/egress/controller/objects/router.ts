import type { EventObject } from '../../../base/kubernetes/events.ts';
import type { Parsed } from '../../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../../base/read/object-meta.ts';
import { ProblemList } from '../../../base/read/problem-list.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { everySuffix } from '../../api/dns-name.ts';
import { type EgressRouterSpec, parseEgressRouterPool } from '../../api/egress-router.ts';

/** An EgressRouter as the API server has it. */
export interface Router {
  readonly meta: ObjectMeta;
  /** `metadata.generation`: of which spec a status tells. */
  readonly generation: number | undefined;
  /** Deleted, but held by a finalizer. */
  readonly isDeleting: boolean;
  /** What it wants, a router for each address of its pool, or everything that is wrong with it: the plugin's own words. */
  readonly spec: Parsed<readonly EgressRouterSpec[]>;
  /** `status.conditions` as they are written. */
  readonly conditions: readonly unknown[];
  /** `status` as it is written. */
  readonly status: Readonly<Record<string, unknown>>;
  readonly version: string | undefined;
}

/** What Events about a router are about. */
export function objectOf({ meta: { namespace, name, uid } }: Router): EventObject {
  return { apiVersion: 'network.operator.openshift.io/v1', kind: 'EgressRouter', namespace, name, uid };
}

/**
 * Reads an EgressRouter; undefined without a usable identity. `allowedSuffixes`: names inside the cluster that may be
 * destinations.
 */
export function readRouter(input: unknown, allowedSuffixes: readonly string[] = everySuffix): Router | undefined {
  const meta = readMeta(input, new ProblemList());
  if (meta === undefined || !isRecord(input)) return undefined;
  const metadata = isRecord(input.metadata) ? input.metadata : {};
  const { generation, deletionTimestamp, resourceVersion } = metadata;
  const conditions = isRecord(input.status) ? input.status.conditions : undefined;
  return {
    meta,
    generation: typeof generation === 'number' ? generation : undefined,
    isDeleting: (deletionTimestamp ?? undefined) !== undefined,
    spec: parseEgressRouterPool(input.spec ?? {}, 'spec', { allowedSuffixes, annotations: metadata.annotations }),
    conditions: Array.isArray(conditions) ? conditions : [],
    status: isRecord(input.status) ? input.status : {},
    version: typeof resourceVersion === 'string' ? resourceVersion : undefined,
  };
}
