import { hash } from 'node:crypto';
import { manifestAnnotation, ownLabels, places } from './names.ts';

/** A kind of object that the operator creates in the namespace of routers. */
export interface OwnedKind {
  readonly kind: string;
  readonly apiVersion: string;
  /** Group and version in API paths. */
  readonly root: string;
  readonly plural: string;
}

/** Every kind that an IngressController may own, in the order of their creation. */
export const ownedKinds = {
  secrets: { kind: 'Secret', apiVersion: 'v1', root: '/api/v1', plural: 'secrets' },
  configMaps: { kind: 'ConfigMap', apiVersion: 'v1', root: '/api/v1', plural: 'configmaps' },
  deployments: { kind: 'Deployment', apiVersion: 'apps/v1', root: '/apis/apps/v1', plural: 'deployments' },
  daemonSets: { kind: 'DaemonSet', apiVersion: 'apps/v1', root: '/apis/apps/v1', plural: 'daemonsets' },
  services: { kind: 'Service', apiVersion: 'v1', root: '/api/v1', plural: 'services' },
  budgets: {
    kind: 'PodDisruptionBudget',
    apiVersion: 'policy/v1',
    root: '/apis/policy/v1',
    plural: 'poddisruptionbudgets',
  },
  policies: {
    kind: 'NetworkPolicy',
    apiVersion: 'networking.k8s.io/v1',
    root: '/apis/networking.k8s.io/v1',
    plural: 'networkpolicies',
  },
} as const satisfies Readonly<Record<string, OwnedKind>>;

export type OwnedKindName = keyof typeof ownedKinds;

/** An object to be applied. */
export interface RouterObject {
  readonly of: OwnedKindName;
  readonly name: string;
  /** The body of the server-side apply request. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Metadata beyond name and labels. */
interface MoreMetadata {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Builds an object of an IngressController. An annotation records the digest of its content, so that an unchanged
 * object causes no request.
 *
 * @param owner `metadata.name` of the IngressController
 */
export function makeObject(
  of: OwnedKindName,
  owner: string,
  name: string,
  content: Readonly<Record<string, unknown>>,
  { labels, annotations }: MoreMetadata = {},
): RouterObject {
  const { kind, apiVersion } = ownedKinds[of];
  const digest = hash('sha256', JSON.stringify([content, labels, annotations])).slice(0, 16);
  return {
    of,
    name,
    body: {
      apiVersion,
      kind,
      metadata: {
        namespace: places.routers,
        name,
        labels: { ...labels, ...ownLabels(owner) },
        annotations: { ...annotations, [manifestAnnotation]: digest },
      },
      ...content,
    },
  };
}

/** Returns the path of an object in the namespace of routers. */
export function pathOfOwned(of: OwnedKindName, name: string): string {
  const { root, plural } = ownedKinds[of];
  return `${root}/namespaces/${places.routers}/${plural}/${name}`;
}
