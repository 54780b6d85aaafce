import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bracketHost, type ClusterAccess } from './access.ts';

/** Mount point of a pod's service account. */
const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Returns the API server and credentials of the pod's service account. Throws an Error outside a pod, or if the pod
 * has no service account token.
 *
 * @param folder contains the token and the authority's certificate
 */
export function readServiceAccount(
  environment: Readonly<Record<string, string | undefined>>,
  folder = accountFolder,
): ClusterAccess {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  if (host === undefined || host === '') {
    throw new Error(
      'Cannot find the API server: KUBERNETES_SERVICE_HOST is not set, so this process does not run in a pod; name a kubeconfig with --kubeconfig',
    );
  }
  const token = join(folder, 'token');
  if (!existsSync(token)) {
    throw new Error(
      `Cannot authenticate to the API server: ${token} does not exist; set automountServiceAccountToken or name a kubeconfig with --kubeconfig`,
    );
  }
  return {
    // Kubernetes sets IPv6 addresses without brackets.
    server: new URL(`https://${bracketHost(host)}:${port}`),
    authority: { kind: 'file', path: join(folder, 'ca.crt') },
    isUnverified: false,
    identity: { token: { kind: 'file', path: token } },
    origin: `service account in ${folder}`,
  };
}
