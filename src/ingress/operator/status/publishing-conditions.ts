import { type ConditionDraft, type Json, readRecords } from '../../../base/kubernetes/conditions.ts';
import { clusterNames } from '../../../base/kubernetes/names.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { textOf } from '../json.ts';
import { annotations } from '../names.ts';
import { isInternal } from '../services.ts';
import type { Strategy } from '../strategy.ts';
import type { VirtualAddress } from '../virtual-address.ts';

/** Inputs of the conditions about load balancers and DNS. */
export interface PublishingParts {
  readonly strategy: Strategy;
  /** The virtual address that the object requests. */
  readonly virtual: VirtualAddress | undefined;
  /** The Service of type LoadBalancer, if it exists. */
  readonly service: unknown;
  /** Message of the newest Event about a failure of the cloud to create the load balancer. */
  readonly failure: string | undefined;
}

/** Returns the conditions about load balancers and DNS. */
export function describePublishing(parts: PublishingParts): readonly ConditionDraft[] {
  return [...describeBalancer(parts), describeBalancerProgress(parts), ...describeNames(parts)];
}

function describeBalancer(parts: PublishingParts): readonly ConditionDraft[] {
  const { strategy, virtual, service, failure } = parts;
  if (strategy.type !== 'LoadBalancerService' && virtual === undefined) {
    const message = 'The configured endpoint publishing strategy does not include a managed load balancer';
    const reason = 'EndpointPublishingStrategyExcludesManagedLoadBalancer';
    return [{ type: 'LoadBalancerManaged', status: 'False', reason, message }];
  }
  const managed: ConditionDraft =
    strategy.type === 'LoadBalancerService'
      ? {
          type: 'LoadBalancerManaged',
          status: 'True',
          reason: 'WantedByEndpointPublishingStrategy',
          message: 'The endpoint publishing strategy supports a managed load balancer',
        }
      : {
          type: 'LoadBalancerManaged',
          status: 'True',
          reason: 'WantedByAddressPool',
          message: `The annotation ${annotations.addressPool} requests an address of IngressAddressPool ${virtual?.pool}`,
        };
  const ready = (status: 'True' | 'False', reason: string, message: string): ConditionDraft[] => [
    managed,
    { type: 'LoadBalancerReady', status, reason, message },
  ];
  if (!isRecord(service)) return ready('False', 'ServiceNotFound', 'The LoadBalancer service resource is missing');
  if (isProvisioned(service))
    return ready('True', 'LoadBalancerProvisioned', 'The LoadBalancer service is provisioned');
  if (virtual !== undefined) {
    const { reason, message } = findAddressProblem(service) ?? {
      reason: 'LoadBalancerPending',
      message:
        'The LoadBalancer service is pending: the DaemonSet ingress-agent has not assigned an address to it; run it on nodes with the label egress-router.io/ingress',
    };
    return ready('False', reason, message);
  }
  if (failure === undefined) return ready('False', 'LoadBalancerPending', 'The LoadBalancer service is pending');
  const message = `The service-controller component is reporting SyncLoadBalancerFailed events like: ${failure}. The cloud-controller-manager logs may contain more details.`;
  return ready('False', 'SyncLoadBalancerFailed', message);
}

/** Whether a Service has an address of a load balancer. */
export function isProvisioned(service: unknown): boolean {
  const status = isRecord(service) && isRecord(service.status) ? service.status : {};
  const balancer = isRecord(status.loadBalancer) ? status.loadBalancer : {};
  const addresses = Array.isArray(balancer.ingress) ? balancer.ingress.filter(isRecord) : [];
  return addresses.some(({ ip, hostname }) => Boolean(ip) || Boolean(hostname));
}

/** Returns why no ingress node holds an address of a Service, as the ingress agent reports it. */
function findAddressProblem(service: Json): { readonly reason: string; readonly message: string } | undefined {
  const { conditions } = isRecord(service.status) ? service.status : {};
  const found = readRecords(conditions).find(({ type }) => type === clusterNames.addressCondition);
  if (found?.status !== 'False' || typeof found.reason !== 'string') return undefined;
  return { reason: found.reason, message: `The LoadBalancer service has no address: ${textOf(found.message)}` };
}

function describeBalancerProgress({ strategy, virtual, service }: PublishingParts): ConditionDraft {
  const type = 'LoadBalancerProgressing';
  if (strategy.type === 'LoadBalancerService' || virtual !== undefined) {
    if (!isRecord(service)) {
      return { type, status: 'True', reason: 'NoService', message: 'LoadBalancer Service not created.' };
    }
    const present = isInternal(service) ? 'Internal' : 'External';
    // The pool decides who can reach its addresses.
    const scope =
      strategy.type === 'LoadBalancerService' && virtual === undefined ? strategy.loadBalancer.scope : present;
    if (scope !== present) {
      const message = `One or more managed resources are progressing: The IngressController scope was changed from "${present}" to "${scope}".  To effectuate this change, annotate the Service as its load balancer requires: see the annotation egress-router.io/service-annotations`;
      return { type, status: 'True', reason: 'OperandsProgressing', message };
    }
  }
  const message = 'LoadBalancer is not progressing';
  return { type, status: 'False', reason: 'LoadBalancerNotProgressing', message };
}

function describeNames({ strategy }: PublishingParts): readonly ConditionDraft[] {
  const type = 'DNSManaged';
  const message =
    strategy.type === 'LoadBalancerService' && strategy.loadBalancer.dnsManagementPolicy === 'Managed'
      ? 'This operator manages no DNS zones. The Service is annotated for ExternalDNS; without ExternalDNS, publish the name yourself.'
      : 'This operator manages no DNS zones; publish the names of the domain yourself.';
  return [{ type, status: 'False', reason: 'UnmanagedDNS', message }];
}
