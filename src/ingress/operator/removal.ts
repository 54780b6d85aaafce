import { clusterNames } from '../../base/kubernetes/names.ts';
import { isRecord } from '../../base/read/shape.ts';
import { type ApplyParts, pruneObjects, removeObject } from './apply.ts';
import type { IngressController } from './ingress-controller.ts';
import { finalizer, places } from './names.ts';
import { clearRouteStatuses } from './route-status.ts';
import { listPods, pathOfController } from './router-work.ts';

/** Milliseconds between checks whether the pods are gone, in addition to their events. */
const podsInterval = 15_000;

/**
 * Continues the deletion of an IngressController: drains its pods, removes the entries of its router from statuses of
 * Routes, and deletes everything else. Services stay until the pods are gone, because load balancers send requests
 * until they notice that the pods are not ready. Resolves to the milliseconds after which to continue without an event.
 */
export async function removeRouter(
  { meta, finalizers }: IngressController,
  raw: unknown,
  parts: ApplyParts,
): Promise<number | undefined> {
  if (!finalizers.includes(finalizer)) return undefined;
  const { api, stores, signal } = parts;
  const { name } = meta;
  await pruneObjects(name, [], parts, ['deployments', 'daemonSets']);
  // Agents write statuses until they exit.
  if (listPods(stores.of('pods').in(places.routers), name).length > 0) return podsInterval;
  await clearRouteStatuses(name, undefined, parts);
  await pruneObjects(name, [], parts);
  const lease = clusterNames.agentLease(name);
  const path = `/apis/coordination.k8s.io/v1/namespaces/${places.routers}/leases/${lease}`;
  await removeObject(api, path, undefined, signal);
  const version = isRecord(raw) && isRecord(raw.metadata) ? raw.metadata.resourceVersion : undefined;
  const metadata = { resourceVersion: version, finalizers: finalizers.filter((one) => one !== finalizer) };
  await api.mergePatch(pathOfController(name), { metadata }, signal);
  return undefined;
}
