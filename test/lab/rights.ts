import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { executable } from './executable.ts';

/** Where the manifests run the programs that are daemons. */
const manifests: Readonly<Record<string, string>> = {
  'egress-router-controller': 'controller/deployment.yaml',
  'egress-router-node': 'node/daemonset.yaml',
  'ingress-agent': 'ingress/daemonset.yaml',
};

/** The words that run a compiled program with the rights of its manifest. */
export function asShipped(name: string): readonly string[] {
  const path = executable(name);
  return [...asManifestRuns(path), path];
}

/** The rights alone for a program by its path; empty where no manifest runs it. */
export function asManifestRuns(path: string): readonly string[] {
  const manifest = manifests[basename(path)];
  return manifest === undefined ? [] : asPrivileged(manifest);
}

/**
 * The command that runs another as root with the capabilities that a container of a manifest has, and no
 * others. @param name the container; absent: what all of the pod have together, as one that does their work alone
 */
export function asPrivileged(manifest: string, name?: string): readonly string[] {
  const rights = new Set<string>();
  for (const container of readContainers(manifest)) {
    if (name !== undefined && container.name !== name) continue;
    const { drop, add = [] } = container.securityContext.capabilities;
    if (drop.join() !== 'ALL') throw new Error(`${manifest} keeps capabilities of the runtime`);
    for (const right of add) rights.add(`+${right.toLowerCase()}`);
  }
  return ['setpriv', `--bounding-set=${['-all', ...rights].join()}`, '--inh-caps=-all', '--no-new-privs'];
}

/** The variables that the containers of a manifest set to fixed values. */
export function environmentIn(manifest: string): Readonly<Record<string, string>> {
  const all = [...readContainers(manifest)].flatMap(({ env = [] }) => env);
  return Object.fromEntries(all.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
}

/** What tests look at of a container. */
export interface ContainerRights {
  readonly name: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly command: readonly string[];
  readonly securityContext: { readonly capabilities: { readonly drop: string[]; readonly add?: string[] } };
}

/** The containers of a manifest. */
function readContainers(manifest: string): readonly ContainerRights[] {
  const text = readFileSync(new URL(`../../manifests/${manifest}`, import.meta.url), 'utf8');
  const objects = parseAllDocuments(text).map((document) => document.toJS());
  return objects.flatMap(({ spec }) => spec?.template?.spec?.containers ?? []);
}
