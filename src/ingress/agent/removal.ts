import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import { isRecord } from '../../base/read/shape.ts';

/** Timeout in milliseconds for the API server while the agent exits. */
const timeout = 3000;

/** The DaemonSet that runs this agent. */
export interface OwnDaemonSet {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Resolves to whether the agent's DaemonSet is gone or being deleted, so that no next agent takes over its rules.
 * Only an answer of the API server counts. Without an answer or permission, nothing is removed, because rules removed
 * by mistake interrupt connections, while remaining rules expire. Never rejects.
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
