import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execaSync } from 'execa';
import { parseAllDocuments, parseDocument } from 'yaml';

/** A Kubernetes object, as far as it is looked at here. */
export interface KubeDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  // biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
  readonly [part: string]: any;
}

function parse(text: string): readonly KubeDocument[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS() as KubeDocument;
  });
}

/** All overlays, by their folders' names. */
export const overlays = ['default', 'egress', 'ingress', 'ingress-controllers', 'k3s', 'openshift'] as const;

/** An overlay as `kubectl apply -k` would send it; a warning is an error. */
export function render(overlay: (typeof overlays)[number]): readonly KubeDocument[] {
  const folder = isOldKubectl() ? makeOldManifests() : 'manifests';
  const { stdout, stderr } = execaSync('kubectl', ['kustomize', `${folder}/overlays/${overlay}`]);
  if (folder !== 'manifests') rmSync(folder, { recursive: true });
  else if (stderr !== '') throw new Error(stderr);
  return parse(stdout);
}

/** A folder of manifests that is no overlay. */
export function renderFolder(name: string): readonly KubeDocument[] {
  return parse(execaSync('kubectl', ['kustomize', `manifests/${name}`]).stdout);
}

/** Whether this machine's kubectl is older than those that the manifests are for: Debian 12 has 1.20. */
function isOldKubectl(): boolean {
  const { stdout } = execaSync('kubectl', ['version', '--client', '--output', 'json']);
  return Number.parseInt(JSON.parse(stdout).clientVersion.minor, 10) < 21;
}

/** The manifests as old kubectl reads them, in a folder of their own: it takes folders and patches by other names. */
function makeOldManifests(): string {
  const folder = mkdtempSync(join(tmpdir(), 'manifests-'));
  cpSync('manifests', folder, { recursive: true });
  for (const overlay of overlays) {
    const path = join(folder, 'overlays', overlay, 'kustomization.yaml');
    const { resources, patches, ...rest } = parseDocument(readFileSync(path, 'utf8')).toJS();
    const isFolder = (name: string): boolean => !name.endsWith('.yaml');
    const old = {
      ...rest,
      bases: resources.filter(isFolder),
      resources: resources.filter((name: string) => !isFolder(name)),
      patchesStrategicMerge: (patches ?? []).map((patch: { path: string }) => patch.path),
    };
    writeFileSync(path, JSON.stringify(old));
  }
  return folder;
}

/** Every example, by its path. */
export function readExamples(): ReadonlyMap<string, readonly KubeDocument[]> {
  const folder = 'manifests/examples';
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));
  return new Map(names.map((name) => [name, parse(readFileSync(`${folder}/${name}`, 'utf8'))]));
}
