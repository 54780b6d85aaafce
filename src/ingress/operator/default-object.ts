import { isRecord } from '../../base/read/shape.ts';
import { assignDomains } from './admission.ts';
import type { IngressController } from './ingress-controller.ts';
import { textOf } from './json.ts';
import { places } from './names.ts';
import { usualReplicasOf } from './workload.ts';

/** Name of the IngressController that the operator creates, as OpenShift's does. */
export const defaultName = 'default';

/** State of the cluster on which the IngressController `default` depends. */
export interface DefaultParts {
  /** All IngressControllers. None of them is `default`. */
  readonly objects: readonly IngressController[];
  readonly nodes: readonly unknown[];
  /** Domain of IngressControllers without `spec.domain`. */
  readonly domain: string | undefined;
}

/** The object to create, or why none is created. */
export type DefaultPlan = { readonly body: object } | { readonly obstacle: string };

/** Schemes of `spec.providerID` of the clouds on which OpenShift's default router has a load balancer. */
const balancedClouds = /^(?:aws|azure|gce|ibm|ibmpowervs):\/\//;

/**
 * Plans the IngressController `default`. It names no domain, so that it has that of the option, and sets `replicas`,
 * which `kubectl scale` needs.
 */
export function planDefault({ objects, nodes, domain }: DefaultParts): DefaultPlan {
  if (domain === undefined) {
    return { obstacle: 'no domain is known; set --ingress-domain, or create the object with spec.domain' };
  }
  const owner = assignDomains(objects, domain).get(domain);
  if (owner !== undefined) {
    return { obstacle: `IngressController ${owner.name} has the domain ${domain}` };
  }
  const hasBalancers = nodes.some(
    (node) => isRecord(node) && isRecord(node.spec) && balancedClouds.test(textOf(node.spec.providerID)),
  );
  return {
    body: {
      apiVersion: 'operator.openshift.io/v1',
      kind: 'IngressController',
      metadata: { namespace: places.objects, name: defaultName },
      spec: {
        replicas: usualReplicasOf({ hasOneNode: nodes.length === 1 }),
        ...(hasBalancers && {
          endpointPublishingStrategy: {
            type: 'LoadBalancerService',
            loadBalancer: { scope: 'External', dnsManagementPolicy: 'Managed' },
          },
        }),
      },
    },
  };
}
