import { type KubeApi, KubeError } from './cluster-api.ts';

/**
 * Writes annotations of a Lease that programs share as a small table; null removes one. Creates a Lease that does not
 * exist. Returns the written Lease. Throws a KubeError, or the signal's reason.
 */
export async function patchLeaseAnnotations(
  api: Pick<KubeApi, 'mergePatch' | 'create'>,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  annotations: Readonly<Record<string, string | null>>,
  signal: AbortSignal,
): Promise<unknown> {
  const folder = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  try {
    return await api.mergePatch(`${folder}/${name}`, { metadata: { annotations } }, signal);
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 404)) throw error;
    const present = Object.fromEntries(Object.entries(annotations).filter(([, value]) => value !== null));
    const object = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace, name, annotations: present },
      spec: {},
    };
    return await api.create(folder, object, signal);
  }
}
