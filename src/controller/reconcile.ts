import { isRecord } from '../api/shape.ts';
import { clusterNames } from '../cluster/names.ts';
import { type KubeApi, KubeError } from '../cluster/port.ts';
import { formatProblem } from '../model/problem.ts';
import type { Trouble, Wait } from './conditions.ts';
import { controllerOf, isCovered } from './coverage.ts';
import type { RouterNames } from './names.ts';
import {
  appliedAnnotation,
  type DesiredObject,
  hashConfiguration,
  makeDefinition,
  makeDeployment,
  type ObjectSettings,
} from './objects.ts';
import { pathOf, type Resource, resources } from './resources.ts';
import type { Router } from './router.ts';
import type { ObjectStore } from './store.ts';

/** With what objects are put right. */
export interface ReconcileParts {
  readonly api: KubeApi;
  readonly settings: ObjectSettings;
  readonly definitions: ObjectStore;
  readonly deployments: ObjectStore;
  /** Name of a pod that must end before a Deployment is made. */
  readonly findLeftover: () => string | undefined;
  /** Throws where this process may not write (any more). */
  readonly checkWriter: () => void;
  readonly signal: AbortSignal;
}

/** How it went with a router's objects. */
export type Outcome =
  | { readonly kind: 'applied'; readonly configuration: string }
  | { readonly kind: 'waiting'; readonly wait: Wait }
  | { readonly kind: 'trouble'; readonly trouble: Trouble; readonly configuration: string | undefined };

/** Why an object is not as it is wanted. */
type Obstacle =
  | { readonly kind: 'waiting'; readonly wait: Wait }
  | { readonly kind: 'trouble'; readonly trouble: Trouble };

/** What the names of a router that was deleted are waited for with. */
export const waitForNames: Wait = {
  reason: 'WaitingForNames',
  message: 'the objects of the router before this one are being deleted',
};

/**
 * Makes a router's objects be as its EgressRouter wants them, the definition first: a pod reads it
 * when it starts. What is right is left alone; what is somebody else's, too. Rejects with a
 * {@link KubeError} where trying again may help.
 */
export async function applyRouter(router: Router, names: RouterNames, parts: ReconcileParts): Promise<Outcome> {
  const { spec } = router;
  if (!spec.ok) {
    // Objects of an earlier, right spec stay: a mistake must not cut connections.
    const message = spec.problems.slice(0, 5).map(formatProblem).join('; ');
    return { kind: 'trouble', trouble: { reason: 'InvalidSpec', message }, configuration: undefined };
  }
  const configuration = hashConfiguration(spec.value, names, parts.settings);
  const wanted = [
    { resource: resources.definitions, store: parts.definitions, make: makeDefinition },
    { resource: resources.deployments, store: parts.deployments, make: makeDeployment },
  ] as const;
  for (const { resource, store, make } of wanted) {
    const object = make(router, spec.value, names, parts.settings);
    const outcome = await ensure(resource, store, object, router, parts);
    if (outcome?.kind === 'waiting') return outcome;
    if (outcome?.kind === 'trouble') return { ...outcome, configuration };
  }
  return { kind: 'applied', configuration };
}

async function ensure(
  resource: Resource,
  store: ObjectStore,
  wanted: DesiredObject,
  router: Router,
  { api, checkWriter, signal, findLeftover }: ReconcileParts,
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
  checkWriter();
  try {
    store.learn(await api.apply(path, wanted, clusterNames.controller, signal));
    return undefined;
  } catch (error) {
    return { kind: 'trouble', trouble: explain(resource, name, error) };
  }
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
  const isNewest = annotations[appliedAnnotation] === wanted.metadata.annotations[appliedAnnotation];
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
        message: `${what}: somebody else sets what this controller sets; undo that, or delete the object: ${error.message}`,
      };
    case 404:
      if (resource !== resources.definitions) break;
      return { reason: 'MultusMissing', message: `the cluster has no ${resource.kind} API: install Multus` };
    case 400:
    case 403:
    case 422:
      return { reason: 'ApplyFailed', message: error.message };
  }
  throw error;
}
