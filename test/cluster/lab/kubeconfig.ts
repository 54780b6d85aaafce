import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a kubeconfig of tests says beside the server. */
export interface KubeconfigWords {
  /** Fields of the cluster. Default: nothing of TLS is looked at. */
  readonly cluster?: object;
  /** Fields of the user. Default: a token. */
  readonly user?: object;
}

/** Writes a kubeconfig for a server of the tests into a folder; returns its path. */
export function writeKubeconfig(folder: string, url: string, words: KubeconfigWords = {}): string {
  const path = join(folder, 'kubeconfig');
  const { cluster = { 'insecure-skip-tls-verify': true }, user = { token: 'secret' } } = words;
  const config = {
    clusters: [{ name: 'c', cluster: { server: url, ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}
