import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { within } from '../../base/kubernetes/limit.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { PodName } from '../model/state.ts';

/** What the API server says of a router's pod. */
export type Standing =
  /** It is there, by a view that is fresh. */
  | 'current'
  /** It is gone, ending, or another has its name: another pod may have its address. */
  | 'replaced'
  /** The API server did not answer. */
  | 'unknown';

/**
 * Asks the API server whether it has a pod now, and is not ending it. It is asked, since a watch may have been lost
 * without a word: for a minute and a half it looks like one that has nothing to tell. Never rejects.
 *
 * @param meant which pod of this name: another is its successor. Without a UID, the one of a node
 * @param patience milliseconds to wait for an answer: who cannot ask by then may be the one who is cut off
 */
export async function askStanding(
  api: KubeApi,
  { namespace, name }: PodName,
  meant: { readonly uid: string } | { readonly node: string },
  patience: number,
  signal: AbortSignal,
): Promise<Standing> {
  try {
    // The daemon may list pods, but not get one.
    const query = { fieldSelector: `metadata.name=${name}`, limit: 1 };
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const list = await within(patience, signal, (limit) => api.get(path, query, limit));
    const [pod] = isRecord(list) && Array.isArray(list.items) ? list.items : [];
    const metadata = isRecord(pod) && isRecord(pod.metadata) ? pod.metadata : {};
    const spec = isRecord(pod) && isRecord(pod.spec) ? pod.spec : {};
    const isMeant = 'uid' in meant ? metadata.uid === meant.uid : spec.nodeName === meant.node;
    return isMeant && (metadata.deletionTimestamp ?? undefined) === undefined ? 'current' : 'replaced';
  } catch {
    return 'unknown';
  }
}
