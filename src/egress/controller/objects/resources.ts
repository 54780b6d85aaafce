import type { Query } from '../../../base/kubernetes/cluster-api.ts';
import { routerLabel } from './names.ts';
import { managedLabels } from './objects.ts';

/** A kind that the controller follows. */
export interface Resource {
  readonly kind: string;
  /** Group and version in API paths. */
  readonly root: string;
  readonly plural: string;
  /** Selector for lists and watches. */
  readonly selection: Query;
}

const managed = {
  labelSelector: Object.entries(managedLabels)
    .map(([key, value]) => `${key}=${value}`)
    .join(),
};

/**
 * All requests of the controller: EgressRouters get, list, watch, patch of their status, and update of their
 * finalizers (which OpenShift requires for blockOwnerDeletion); definitions and Deployments get, list, watch, create,
 * patch (server-side apply needs both) and delete (an address that left a pool); pods get, list, watch and delete
 * (routers of dead or cordoned nodes); nodes list and watch; Events list and create; Leases get, create and update in
 * its own namespace.
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

/** Returns the path of one object. */
export function pathOf({ root, plural }: Resource, namespace: string, name: string): string {
  return `${root}/namespaces/${namespace}/${plural}/${name}`;
}
