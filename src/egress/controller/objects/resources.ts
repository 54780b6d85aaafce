import type { Query } from '../../../base/kubernetes/cluster-api.ts';
import { routerLabel } from './names.ts';
import { managedLabels } from './objects.ts';

/** One kind that the controller looks at. */
export interface Resource {
  readonly kind: string;
  /** Group and version in paths of the API. */
  readonly root: string;
  readonly plural: string;
  /** Which objects of it, for lists and watches. */
  readonly selection: Query;
}

const managed = {
  labelSelector: Object.entries(managedLabels)
    .map(([key, value]) => `${key}=${value}`)
    .join(),
};

/**
 * All that the controller asks of the API: EgressRouters get, list, watch, and patch of their status
 * (and update of their finalizers, which OpenShift requires from a client that sets blockOwnerDeletion);
 * definitions and Deployments get, list, watch, create, patch (server-side apply is both) and delete (an
 * address that left a pool); pods get, list, watch and delete (routers of nodes that died or are to be
 * left); nodes list and watch; Events list and create; Leases get, create and update in its own namespace.
 */
export const resources = {
  routers: {
    kind: 'EgressRouter',
    root: '/apis/network.operator.openshift.io/v1',
    plural: 'egressrouters',
    selection: {},
  },
  definitions: {
    kind: 'NetworkAttachmentDefinition',
    root: '/apis/k8s.cni.cncf.io/v1',
    plural: 'network-attachment-definitions',
    selection: managed,
  },
  deployments: { kind: 'Deployment', root: '/apis/apps/v1', plural: 'deployments', selection: managed },
  pods: {
    kind: 'Pod',
    root: '/api/v1',
    plural: 'pods',
    selection: { labelSelector: `${managed.labelSelector},${routerLabel}` },
  },
  nodes: { kind: 'Node', root: '/api/v1', plural: 'nodes', selection: {} },
} as const satisfies Readonly<Record<string, Resource>>;

export type ResourceName = keyof typeof resources;

/** Path of one object. */
export function pathOf({ root, plural }: Resource, namespace: string, name: string): string {
  return `${root}/namespaces/${namespace}/${plural}/${name}`;
}
