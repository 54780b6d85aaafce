import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import { isStatus } from '../../base/kubernetes/status-patch.ts';
import { isRecord } from '../../base/read/shape.ts';

/**
 * Resolves to whether a cluster is OpenShift: it serves ClusterOperators (config.openshift.io/v1). Rejects with a
 * KubeError if the API server does not answer.
 */
export async function isOpenShift(api: Pick<KubeApi, 'get'>, signal: AbortSignal): Promise<boolean> {
  try {
    const group = await api.get('/apis/config.openshift.io/v1', {}, signal);
    const resources = isRecord(group) && Array.isArray(group.resources) ? group.resources.filter(isRecord) : [];
    return resources.some(({ name }) => name === 'clusteroperators');
  } catch (error) {
    if (error instanceof KubeError && isStatus(error, 404)) return false;
    throw error;
  }
}

/** Why the operator does not start on OpenShift. */
export const openShiftRefusal =
  'this cluster is OpenShift (it serves config.openshift.io/v1 ClusterOperators), whose own operator manages IngressControllers; remove --ingress-controllers';
