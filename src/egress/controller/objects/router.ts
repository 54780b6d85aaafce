import type { EventObject } from '../../../base/kubernetes/events.ts';
import type { Parsed } from '../../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../../base/read/object-meta.ts';
import { ProblemList } from '../../../base/read/problem-list.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { everySuffix } from '../../api/dns-name.ts';
import { type EgressRouterSpec, parseEgressRouterPool } from '../../api/egress-router.ts';
import { readRollout } from './templates.ts';

/** An EgressRouter as received from the API server. */
export interface Router {
  readonly meta: ObjectMeta;
  /** `metadata.generation`: the generation that a status describes. */
  readonly generation: number | undefined;
  /** Deleted, but blocked by a finalizer. */
  readonly isDeleting: boolean;
  /** Its desired state, one router per address of its pool, or its problems with the plugin's messages. */
  readonly spec: Parsed<readonly EgressRouterSpec[]>;
  /** `status.conditions` as received. */
  readonly conditions: readonly unknown[];
  /** `status` as received. */
  readonly status: Readonly<Record<string, unknown>>;
  readonly version: string | undefined;
  /** The rollout that an administrator requests. */
  readonly rollout: string | undefined;
}

/** Returns the object that Events of a router regard. */
export function objectOf({ meta: { namespace, name, uid } }: Router): EventObject {
  return { apiVersion: 'network.operator.openshift.io/v1', kind: 'EgressRouter', namespace, name, uid };
}

/**
 * Parses an EgressRouter. Returns undefined without a usable identity. `allowedSuffixes`: names inside the cluster that may be
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
    rollout: readRollout(isRecord(metadata.annotations) ? metadata.annotations : {}),
  };
}
