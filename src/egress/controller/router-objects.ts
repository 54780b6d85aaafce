import type { ObjectStore } from '../../base/kubernetes/object-store.ts';
import { isRecord } from '../../base/read/shape.ts';
import { type RouterPod, readRouterPod } from './failover/pods.ts';
import { controllerOf } from './objects/coverage.ts';
import type { HeldName } from './objects/members.ts';
import { memberLabel, type RouterNames } from './objects/names.ts';
import type { ResourceName } from './objects/resources.ts';
import type { Router } from './objects/router.ts';
import type { MemberSituation } from './status/conditions.ts';

/** Last observed objects of each kind. */
export type Stores = Readonly<Record<ResourceName, ObjectStore>>;

/** Returns the members of a router with an invalid spec, as they were created. */
export function describeAsTheyAre(pods: readonly RouterPod[]): readonly MemberSituation[] {
  return pods
    .filter(({ isEnding }) => !isEnding)
    .map((pod) => ({
      addresses: pod.egressAddresses ?? [],
      trouble: undefined,
      wait: undefined,
      configuration: '',
      template: undefined,
      pods: [pod],
      progress: { kind: 'settled' },
      podEvent: undefined,
      refusal: undefined,
    }));
}

/** Lists the objects that a router owns and that are not being deleted. */
export function listHeld({ meta }: Router, stores: Stores): HeldName[] {
  const { deployments, definitions } = stores;
  return [...deployments.in(meta.namespace), ...definitions.in(meta.namespace)].flatMap((object) => {
    if (controllerOf(object) !== meta.uid || !isRecord(object) || !isRecord(object.metadata)) return [];
    const { name, labels, deletionTimestamp } = object.metadata;
    if (typeof name !== 'string' || (deletionTimestamp ?? undefined) !== undefined) return [];
    const key = isRecord(labels) ? labels[memberLabel] : undefined;
    return [{ name, member: typeof key === 'string' ? key : undefined }];
  });
}

/** Only pods of the router's own Deployments count, because any pod can carry a router's labels. */
export function podsOf({ meta }: Router, { identity, deployment: own }: RouterNames, stores: Stores): RouterPod[] {
  const isOurs = (object: unknown): boolean => {
    const labels = isRecord(object) && isRecord(object.metadata) ? object.metadata.labels : undefined;
    return isRecord(labels) && Object.entries(identity).every(([key, value]) => labels[key] === value);
  };
  return stores.pods
    .in(meta.namespace)
    .filter(isOurs)
    .flatMap((object) => readRouterPod(object) ?? [])
    .filter(({ deployment }) => deployment === own || deployment?.startsWith(`${own}-`) === true);
}

/** Returns the generation that `Available` refers to. */
export function generationOf(conditions: readonly unknown[]): number | undefined {
  const available = conditions.filter(isRecord).find(({ type }) => type === 'Available');
  return typeof available?.observedGeneration === 'number' ? available.observedGeneration : undefined;
}
