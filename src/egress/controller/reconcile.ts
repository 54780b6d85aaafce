import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import { isCovered } from '../../base/kubernetes/coverage.ts';
import { checkLeadership, type Leadership } from '../../base/kubernetes/leadership.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import type { ObjectStore } from '../../base/kubernetes/object-store.ts';
import { isRefusal } from '../../base/kubernetes/refusal.ts';
import { isStatus } from '../../base/kubernetes/status-patch.ts';
import { isRecord } from '../../base/read/shape.ts';
import { manifestAnnotation, type ObjectSettings } from './objects/configuration.ts';
import { controllerOf } from './objects/coverage.ts';
import type { Member } from './objects/members.ts';
import { type DesiredObject, makeDefinition, makeDeployment } from './objects/objects.ts';
import { pathOf, type Resource, resources } from './objects/resources.ts';
import type { Router } from './objects/router.ts';
import type { Template } from './objects/templates.ts';
import type { Trouble, Wait } from './status/conditions.ts';

/** Dependencies of a reconciliation. */
export interface ReconcileParts {
  readonly api: KubeApi;
  readonly settings: ObjectSettings;
  readonly definitions: ObjectStore;
  readonly deployments: ObjectStore;
  /** Name of a pod that must terminate before a Deployment is created. */
  readonly findLeftover: () => string | undefined;
  readonly leadership: Leadership;
  readonly signal: AbortSignal;
}

/** Result for the objects of a router, or of one router of a pool. */
export type Outcome =
  | { readonly kind: 'applied' }
  | { readonly kind: 'waiting'; readonly wait: Wait }
  | { readonly kind: 'trouble'; readonly trouble: Trouble };

/** Thrown when a router turns out to be deleted and needs no more work. */
export class RouterGone extends Error {}

/** Why an object is not in its desired state. */
type Obstacle = Exclude<Outcome, { readonly kind: 'applied' }>;

/** Reported while the names of a deleted router are not free yet. */
export const waitForNames: Wait = {
  reason: 'WaitingForNames',
  message: 'the objects of the previous router are being deleted',
};

/**
 * Applies the objects of one router of a pool, the definition first, because a pod reads it when it starts. Objects
 * that are up to date, and those of other owners, are not touched. Rejects with a {@link KubeError} if a retry may
 * help, and with RouterGone if the router was deleted.
 */
export async function applyMember(
  router: Router,
  member: Member,
  template: Template,
  parts: ReconcileParts,
): Promise<Outcome> {
  const definition = makeDefinition(router, member, parts.settings);
  const deployment = makeDeployment(router, member, parts.settings, template);
  return (
    (await ensure(resources.definitions, parts.definitions, definition, router, parts)) ??
    (await ensure(resources.deployments, parts.deployments, deployment, router, parts)) ?? { kind: 'applied' }
  );
}

/**
 * Deletes objects of a router that its pool no longer needs, the Deployment first. Rejects with a {@link KubeError}
 * if a retry may help.
 */
export async function pruneMembers(
  router: Router,
  members: readonly Member[],
  { api, definitions, deployments, leadership, signal }: ReconcileParts,
): Promise<void> {
  const { namespace, uid } = router.meta;
  const wanted = new Set(members.flatMap(({ names }) => [names.deployment, names.definition]));
  for (const [resource, store] of [
    [resources.deployments, deployments],
    [resources.definitions, definitions],
  ] as const) {
    for (const object of store.in(namespace)) {
      const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
      const { name, uid: own, deletionTimestamp } = metadata;
      if (controllerOf(object) !== uid || typeof name !== 'string' || wanted.has(name)) continue;
      if (typeof own !== 'string' || (deletionTimestamp ?? undefined) !== undefined) continue;
      checkLeadership(leadership);
      try {
        await api.remove(pathOf(resource, namespace, name), { uid: own }, signal);
      } catch (error) {
        // The object is gone, or has been replaced.
        if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
      }
    }
  }
}

async function ensure(
  resource: Resource,
  store: ObjectStore,
  wanted: DesiredObject,
  router: Router,
  { api, leadership, signal, findLeftover }: ReconcileParts,
): Promise<Obstacle | undefined> {
  const { namespace, name } = wanted.metadata;
  const path = pathOf(resource, namespace, name);
  // An object without our label is in no watch.
  const current = store.get(namespace, name) ?? (await find(api, path, signal));
  if (current !== undefined) {
    const place = judge(current, router);
    if (place === 'waiting') return { kind: 'waiting', wait: waitForNames };
    if (place === 'foreign') {
      const message = `${resource.kind} ${name} exists and belongs to another owner; delete it, or move the router to another namespace`;
      return { kind: 'trouble', trouble: { reason: 'NameTaken', message } };
    }
    if (isApplied(wanted, current)) return undefined;
  } else if (resource === resources.deployments) {
    const pod = findLeftover();
    if (pod !== undefined) {
      const message = `pod ${pod} of a deleted Deployment must terminate first, because it has the address`;
      return { kind: 'waiting', wait: { reason: 'WaitingForPod', message } };
    }
  }
  if (current === undefined) await checkRouter(router, api, signal);
  checkLeadership(leadership);
  const learn = store.expect(namespace, name);
  try {
    learn(await api.apply(path, wanted, clusterNames.controller, signal));
    return undefined;
  } catch (error) {
    return { kind: 'trouble', trouble: explain(resource, name, error) };
  }
}

/**
 * Throws RouterGone unless the API server still has a router. Checked before anything is created: the watch of
 * routers may be behind that of their objects, or be silent, and objects of a deleted router would take its address
 * from the current owner until the garbage collector deletes them.
 */
async function checkRouter({ meta }: Router, api: KubeApi, signal: AbortSignal): Promise<void> {
  const found = await find(api, pathOf(resources.routers, meta.namespace, meta.name), signal);
  const { uid, deletionTimestamp } = isRecord(found) && isRecord(found.metadata) ? found.metadata : {};
  if (uid !== meta.uid || (deletionTimestamp ?? undefined) !== undefined)
    throw new RouterGone(`EgressRouter ${meta.name} was deleted`);
}

async function find(api: KubeApi, path: string, signal: AbortSignal): Promise<unknown> {
  try {
    return await api.get(path, {}, signal);
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return undefined;
    throw error;
  }
}

function judge(current: unknown, { meta }: Router): 'ours' | 'foreign' | 'waiting' {
  const metadata = isRecord(current) && isRecord(current.metadata) ? current.metadata : {};
  const owner = controllerOf(current);
  if (owner === meta.uid) return (metadata.deletionTimestamp ?? undefined) === undefined ? 'ours' : 'waiting';
  const owners = Array.isArray(metadata.ownerReferences) ? metadata.ownerReferences.filter(isRecord) : [];
  // An object of a deleted EgressRouter will be deleted, too.
  return owners.some((one) => one.kind === 'EgressRouter' && one.controller === true) ? 'waiting' : 'foreign';
}

function isApplied(wanted: DesiredObject, current: unknown): boolean {
  const metadata = isRecord(current) && isRecord(current.metadata) ? current.metadata : {};
  const annotations = isRecord(metadata.annotations) ? metadata.annotations : {};
  const isNewest = annotations[manifestAnnotation] === wanted.metadata.annotations[manifestAnnotation];
  return isNewest && isCovered(wanted, current);
}

/** Returns the message for the author of a router, or throws if the error does not concern the router. */
function explain(resource: Resource, name: string, error: unknown): Trouble {
  if (!(error instanceof KubeError)) throw error;
  const what = `${resource.kind} ${name}`;
  switch (error.status) {
    case 409:
      // Any other conflict is a race that a retry resolves.
      if (!error.causes.includes('FieldManagerConflict')) break;
      return {
        reason: 'Conflict',
        message: `${what}: another field manager owns fields that this controller sets; release them or delete the object: ${error.message}`,
      };
    case 404:
      if (resource !== resources.definitions) break;
      return { reason: 'MultusMissing', message: `the cluster has no ${resource.kind} API; install Multus` };
  }
  if (isRefusal(error)) return describeRefusal(error);
  throw error;
}

/** Returns the message about a rejected request for the author of a router. A server fault (500) may be temporary. */
export function describeRefusal(error: KubeError): Trouble {
  return { reason: 'ApplyFailed', message: error.message, ...(error.status >= 500 && { fault: error }) };
}
