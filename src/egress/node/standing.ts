import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { within } from '../../base/kubernetes/limit.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { PodName } from '../model/state.ts';

/** Standing of a router's pod according to the API server. */
export type Standing =
  /** The pod exists and is not terminating, according to a fresh response. */
  | 'current'
  /** The pod is deleted, terminating, or replaced by one with the same name, so another pod may have its address. */
  | 'replaced'
  /** The API server did not answer. */
  | 'unknown';

/**
 * Queries the API server for whether a pod exists and is not terminating. The watch is not sufficient, because a broken
 * connection looks like a quiet one for up to 90 seconds. Never rejects.
 *
 * @param meant identifies the pod, because a successor may have its name: by UID if known, otherwise by node
 * @param patience milliseconds to wait for an answer; a slower one may mean that this node is cut off
 */
export async function askStanding(
  api: KubeApi,
  { namespace, name }: PodName,
  meant: { readonly uid: string } | { readonly node: string },
  patience: number,
  signal: AbortSignal,
): Promise<Standing> {
  try {
    // The daemon's role allows it to list pods but not to get one.
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
