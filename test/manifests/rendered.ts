import { readdirSync, readFileSync } from 'node:fs';
import { execaSync } from 'execa';
import { parseAllDocuments } from 'yaml';

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
export const overlays = ['default', 'egress', 'ingress', 'openshift'] as const;

/** An overlay as `kubectl apply -k` would send it. */
export function render(overlay: (typeof overlays)[number]): readonly KubeDocument[] {
  return parse(execaSync('kubectl', ['kustomize', `manifests/overlays/${overlay}`]).stdout);
}

/** Every example, by its path. */
export function readExamples(): ReadonlyMap<string, readonly KubeDocument[]> {
  const folder = 'manifests/examples';
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));
  return new Map(names.map((name) => [name, parse(readFileSync(`${folder}/${name}`, 'utf8'))]));
}
