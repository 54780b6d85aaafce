import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bracketHost, type ClusterAccess } from './access.ts';

/** Where Kubernetes mounts the account of a pod. */
const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * The API server as a pod's service account describes it. Throws an Error where this is no pod, or one
 * without an account.
 *
 * @param folder where the token and the authority's certificate are
 */
export function readServiceAccount(
  environment: Readonly<Record<string, string | undefined>>,
  folder = accountFolder,
): ClusterAccess {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  if (host === undefined || host === '') {
    throw new Error(
      'Cannot find the API server: KUBERNETES_SERVICE_HOST is not set, so this is no pod; name a kubeconfig with --kubeconfig',
    );
  }
  const token = join(folder, 'token');
  if (!existsSync(token)) {
    throw new Error(
      `Cannot authenticate to the API server: there is no ${token}; set automountServiceAccountToken or name a kubeconfig with --kubeconfig`,
    );
  }
  return {
    // Kubernetes sets an IPv6 address without brackets.
    server: new URL(`https://${bracketHost(host)}:${port}`),
    authority: { kind: 'file', path: join(folder, 'ca.crt') },
    isUnverified: false,
    identity: { token: { kind: 'file', path: token } },
    origin: `service account in ${folder}`,
  };
}
