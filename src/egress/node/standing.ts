import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { within } from '../../base/kubernetes/limit.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { PodName } from '../model/state.ts';

/** Milliseconds to wait for an answer. If there is none, this node may be disconnected. */
const patience = 1500;

/**
 * Resolves to whether the API server has a pod that is not being deleted. It sends a request, because a watch may
 * have been lost silently and looks idle for a minute and a half. Never rejects; resolves to false without an answer.
 *
 * @param uid of the pod; another pod with its name is its successor
 */
export async function isStillThere(
  api: KubeApi,
  { namespace, name }: PodName,
  uid: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    // The daemon may list pods, but not get one.
    const query = { fieldSelector: `metadata.name=${name}`, limit: 1 };
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const list = await within(patience, signal, (limit) => api.get(path, query, limit));
    const [pod] = isRecord(list) && Array.isArray(list.items) ? list.items : [];
    const metadata = isRecord(pod) && isRecord(pod.metadata) ? pod.metadata : {};
    return metadata.uid === uid && (metadata.deletionTimestamp ?? undefined) === undefined;
  } catch {
    return false;
  }
}
