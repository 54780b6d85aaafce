import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { within } from '../../base/kubernetes/limit.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { PodName } from '../model/state.ts';

/** Milliseconds for an answer: who cannot be asked by then may be the one who is cut off. */
const patience = 1500;

/**
 * Whether the API server has a pod now, and is not ending it. It is asked, since a watch may have been lost without
 * a word: for a minute and a half it looks like one that has nothing to tell. Never rejects; where nobody answers,
 * false.
 *
 * @param uid of the pod that is meant: another of its name is its successor
 */
export async function isStillThere(
  api: KubeApi,
  { namespace, name }: PodName,
  uid: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    // The daemon may list pods, and not get one.
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
