import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** Where the manifests run the programs that are daemons. */
const manifests: Readonly<Record<string, string>> = {
  'egress-router-controller': 'controller/deployment.yaml',
  'egress-router-node': 'node/daemonset.yaml',
  'ingress-agent': 'ingress/daemonset.yaml',
};

/** The same for a program by its path; empty where no manifest runs it. */
export function asManifestRuns(path: string): readonly string[] {
  const manifest = manifests[basename(path)];
  return manifest === undefined ? [] : asPrivileged(manifest);
}

/** The command that runs another as root with the capabilities that the container of a manifest has, and no others. */
export function asPrivileged(manifest: string): readonly string[] {
  const text = readFileSync(new URL(`../../manifests/${manifest}`, import.meta.url), 'utf8');
  const objects = parseAllDocuments(text).map((document) => document.toJS());
  const [container] = objects.flatMap(({ spec }) => spec?.template?.spec?.containers ?? []);
  const { drop, add = [] } = container.securityContext.capabilities as { drop: string[]; add?: string[] };
  if (drop.join() !== 'ALL') throw new Error(`${manifest} keeps capabilities of the runtime`);
  const rights = add.map((name) => `+${name.toLowerCase()}`);
  return ['setpriv', `--bounding-set=${['-all', ...rights].join()}`, '--inh-caps=-all', '--no-new-privs'];
}
