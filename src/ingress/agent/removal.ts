import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import { isRecord } from '../../base/read/shape.ts';

/** Milliseconds that the API server may take to answer while the agent ends. */
const timeout = 3000;

/** The DaemonSet that runs this agent. */
export interface OwnDaemonSet {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Resolves to whether the agent's DaemonSet is gone or being deleted, so that no next agent takes its rules over.
 * Only the API server's own answer counts: without one, or without the right to ask, nothing is removed, because
 * rules that are gone by mistake cost connections, and rules that stay by mistake expire. Never rejects.
 */
export async function isBeingRemoved(api: Pick<KubeApi, 'get'>, { namespace, name }: OwnDaemonSet): Promise<boolean> {
  try {
    const path = `/apis/apps/v1/namespaces/${namespace}/daemonsets/${name}`;
    const found = await api.get(path, {}, AbortSignal.timeout(timeout));
    return isRecord(found) && isRecord(found.metadata) && typeof found.metadata.deletionTimestamp === 'string';
  } catch (error) {
    return error instanceof KubeError && error.status === 404;
  }
}
