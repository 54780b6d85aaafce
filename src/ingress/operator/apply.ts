import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import { isCovered } from '../../base/kubernetes/coverage.ts';
import { checkLeadership, type Leadership } from '../../base/kubernetes/leadership.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { isRefusal } from '../../base/kubernetes/refusal.ts';
import { isStatus } from '../../base/kubernetes/status-patch.ts';
import { isRecord } from '../../base/read/shape.ts';
import { manifestAnnotation, ownerLabel, places } from './names.ts';
import { type OwnedKindName, ownedKinds, pathOfOwned, type RouterObject } from './objects.ts';
import type { OperatorStores } from './stores.ts';

/** Dependencies of the functions that apply and delete objects. */
export interface ApplyParts {
  readonly api: KubeApi;
  readonly stores: OperatorStores;
  readonly leadership: Leadership;
  readonly signal: AbortSignal;
}

/** Why an object is not in its desired state. */
export interface Obstacle {
  readonly reason:
    | 'NameTaken'
    | 'Conflict'
    | 'ApplyFailed'
    | 'ObjectMissing'
    | 'AuthorityInvalid'
    | 'RevocationListPending';
  readonly message: string;
}

/**
 * Applies an object that differs from the desired one. Objects of other owners are not touched. Returns the obstacle,
 * if the API server or another owner refuses. Rejects with a KubeError if a retry may help.
 */
export async function applyObject(
  wanted: RouterObject,
  owner: string,
  parts: ApplyParts,
): Promise<Obstacle | undefined> {
  const { api, stores, leadership, signal } = parts;
  const { of, name, body } = wanted;
  const store = stores.of(of);
  const current = store.get(places.routers, name);
  const what = `${ownedKinds[of].kind} ${places.routers}/${name}`;
  if (current !== undefined && ownerOf(current) !== owner) {
    return { reason: 'NameTaken', message: `${what} exists and belongs to another owner; delete or rename it` };
  }
  if (current !== undefined && isApplied(body, current)) return undefined;
  const fixed = of === 'services' ? findFixedClass(body, current) : undefined;
  if (fixed !== undefined) return { reason: 'ApplyFailed', message: `${what}: ${fixed}` };
  checkLeadership(leadership);
  const learn = store.expect(places.routers, name);
  try {
    learn(await send(api, pathOfOwned(of, name), body, signal));
    return undefined;
  } catch (error) {
    if (error instanceof KubeError && error.causes.includes('FieldManagerConflict')) {
      const cure = 'release its fields or delete the object';
      return { reason: 'Conflict', message: `${what}: another field manager owns fields; ${cure}: ${error.message}` };
    }
    if (!isRefusal(error)) throw error;
    return { reason: 'ApplyFailed', message: error.message };
  }
}

/** The API server rejects another class of a load balancer, and the controller never deletes one that clients use. */
function findFixedClass(body: RouterObject['body'], current: unknown): string | undefined {
  const [next, before] = [classOf(body), classOf(current)];
  if (next === undefined || before === undefined || next === before) return undefined;
  return `spec.loadBalancerClass cannot change from ${before} to ${next}; delete the Service, and the controller creates it again with a new address`;
}

/** Returns the class of a Service of type LoadBalancer, or `none`. Undefined: it has another type. */
function classOf(service: unknown): string | undefined {
  const spec = isRecord(service) && isRecord(service.spec) ? service.spec : {};
  if (spec.type !== 'LoadBalancer') return undefined;
  return typeof spec.loadBalancerClass === 'string' ? spec.loadBalancerClass : 'none';
}

/** Kubernetes 1.25 rejects a disruption budget with a field that it does not know. */
async function send(api: KubeApi, path: string, body: RouterObject['body'], signal: AbortSignal): Promise<unknown> {
  try {
    return await api.apply(path, body, clusterNames.controller, signal);
  } catch (error) {
    const isOld = error instanceof KubeError && /unhealthyPodEvictionPolicy.*not declared/.test(error.message);
    if (!isOld || !isRecord(body.spec)) throw error;
    const { unhealthyPodEvictionPolicy: _unknown, ...spec } = body.spec;
    return await api.apply(path, { ...body, spec }, clusterNames.controller, signal);
  }
}

/** Deletes objects of an owner, of the given kinds, that are not desired. Rejects with a KubeError. */
export async function pruneObjects(
  owner: string,
  wanted: readonly RouterObject[],
  parts: ApplyParts,
  kinds: readonly OwnedKindName[] = Object.keys(ownedKinds) as OwnedKindName[],
): Promise<void> {
  const { api, stores, leadership, signal } = parts;
  const kept = new Set(wanted.map(({ of, name }) => `${of} ${name}`));
  for (const of of kinds) {
    for (const object of stores.of(of).in(places.routers)) {
      const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
      const { name, uid, deletionTimestamp } = metadata;
      if (typeof name !== 'string' || typeof uid !== 'string' || ownerOf(object) !== owner) continue;
      if (kept.has(`${of} ${name}`) || (deletionTimestamp ?? undefined) !== undefined) continue;
      checkLeadership(leadership);
      await removeObject(api, pathOfOwned(of, name), uid, signal);
    }
  }
}

/** Deletes an object unless it is gone or was replaced. Rejects with a KubeError. */
export async function removeObject(
  api: KubeApi,
  path: string,
  uid: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  try {
    await api.remove(path, uid === undefined ? {} : { uid }, signal);
  } catch (error) {
    if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
  }
}

/** Returns the name of the IngressController that an object belongs to. */
export function ownerOf(object: unknown): string | undefined {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const owner = isRecord(metadata.labels) ? metadata.labels[ownerLabel] : undefined;
  const manager = isRecord(metadata.labels) ? metadata.labels['app.kubernetes.io/managed-by'] : undefined;
  return typeof owner === 'string' && manager === clusterNames.controller ? owner : undefined;
}

function isApplied(body: RouterObject['body'], current: unknown): boolean {
  return digestOf(body) === digestOf(current) && isCovered(body, current);
}

function digestOf(object: unknown): unknown {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  return isRecord(metadata.annotations) ? metadata.annotations[manifestAnnotation] : undefined;
}
