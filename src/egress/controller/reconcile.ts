import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import { checkLeadership, type Leadership } from '../../base/kubernetes/leadership.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { isStatus } from '../../base/kubernetes/status-patch.ts';
import { isRecord } from '../../base/read/shape.ts';
import { manifestAnnotation, type ObjectSettings } from './objects/configuration.ts';
import { controllerOf, isCovered } from './objects/coverage.ts';
import type { Member } from './objects/members.ts';
import { type DesiredObject, makeDefinition, makeDeployment } from './objects/objects.ts';
import { pathOf, type Resource, resources } from './objects/resources.ts';
import type { Router } from './objects/router.ts';
import type { ObjectStore } from './objects/store.ts';
import type { Template } from './objects/templates.ts';
import type { Trouble, Wait } from './status/conditions.ts';

/** Dependencies of a reconciliation. */
export interface ReconcileParts {
  readonly api: KubeApi;
  readonly settings: ObjectSettings;
  readonly definitions: ObjectStore;
  readonly deployments: ObjectStore;
  /** Name of a pod that must end before a Deployment is made. */
  readonly findLeftover: () => string | undefined;
  readonly leadership: Leadership;
  readonly signal: AbortSignal;
}

/** How it went with the objects of a router, or of one of a pool. */
export type Outcome =
  | { readonly kind: 'applied' }
  | { readonly kind: 'waiting'; readonly wait: Wait }
  | { readonly kind: 'trouble'; readonly trouble: Trouble };

/** Thrown when a router turns out to be deleted and needs no more work. */
export class RouterGone extends Error {}

/** Why an object is not as it is wanted. */
type Obstacle = Exclude<Outcome, { readonly kind: 'applied' }>;

/** What the names of a router that was deleted are waited for with. */
export const waitForNames: Wait = {
  reason: 'WaitingForNames',
  message: 'the objects of the router before this one are being deleted',
};

/**
 * Makes the objects of one router of a pool be as they are wanted, the definition first: a pod reads it
 * when it starts. What is right is left alone; what is somebody else's, too. Rejects with a
 * {@link KubeError} where trying again may help, with RouterGone where the router was deleted.
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
 * Deletes what a router has and its pool does not want any more, the Deployment first. Rejects with a
 * {@link KubeError} where trying again may help.
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
        // It is gone, or another is there now.
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
  // One that does not bear our label is in no watch.
  const current = store.get(namespace, name) ?? (await find(api, path, signal));
  if (current !== undefined) {
    const place = judge(current, router);
    if (place === 'waiting') return { kind: 'waiting', wait: waitForNames };
    if (place === 'foreign') {
      const message = `${resource.kind} ${name} exists and is not this router's: delete it, or move the router to another namespace`;
      return { kind: 'trouble', trouble: { reason: 'NameTaken', message } };
    }
    if (isApplied(wanted, current)) return undefined;
  } else if (resource === resources.deployments) {
    const pod = findLeftover();
    if (pod !== undefined) {
      const message = `pod ${pod} of a Deployment that was deleted must end first: it has the address`;
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
 * Throws RouterGone unless the API server still has a router. It is asked before anything is made: the watch of
 * routers may be behind that of their objects, or be silent, and whatever is made for one that was deleted takes its
 * address from whoever has it now until the garbage collector comes, and again after that.
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
  // One of an EgressRouter that is gone is about to go, too.
  return owners.some((one) => one.kind === 'EgressRouter' && one.controller === true) ? 'waiting' : 'foreign';
}

function isApplied(wanted: DesiredObject, current: unknown): boolean {
  const metadata = isRecord(current) && isRecord(current.metadata) ? current.metadata : {};
  const annotations = isRecord(metadata.annotations) ? metadata.annotations : {};
  const isNewest = annotations[manifestAnnotation] === wanted.metadata.annotations[manifestAnnotation];
  return isNewest && isCovered(wanted, current);
}

/** What the author of a router should know of a refusal; throws where it is not about the router. */
function explain(resource: Resource, name: string, error: unknown): Trouble {
  if (!(error instanceof KubeError)) throw error;
  const what = `${resource.kind} ${name}`;
  switch (error.status) {
    case 409:
      // Any other conflict is a race, and over when it is tried again.
      if (!error.causes.includes('FieldManagerConflict')) break;
      return {
        reason: 'Conflict',
        message: `${what}: another field manager owns fields that this controller sets; release them or delete the object: ${error.message}`,
      };
    case 404:
      if (resource !== resources.definitions) break;
      return { reason: 'MultusMissing', message: `the cluster has no ${resource.kind} API: install Multus` };
  }
  if (isRefusal(error)) return describeRefusal(error);
  throw error;
}

/** Statuses that are races, or about who asks and how often, or a server that cannot be asked: over by themselves. */
const passing = new Set([401, 404, 408, 409, 410, 429, 502, 503, 504]);

/**
 * Whether a request was refused for what it asks: by validation, a right, a quota, or an admission webhook, which may
 * choose any status and, while it is out of order, makes the API server answer 500.
 */
export function isRefusal(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status >= 400 && !passing.has(error.status);
}

/** Returns what the author of a router reads of a refusal. A fault of the server (500) may be over in a moment. */
export function describeRefusal(error: KubeError): Trouble {
  return { reason: 'ApplyFailed', message: error.message, ...(error.status >= 500 && { fault: error }) };
}
