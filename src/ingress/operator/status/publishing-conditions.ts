import type { ConditionDraft } from '../../../base/kubernetes/conditions.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { isInternal } from '../services.ts';
import type { Strategy } from '../strategy.ts';

/** Inputs of the conditions about load balancers and DNS. */
export interface PublishingParts {
  readonly strategy: Strategy;
  /** The Service of type LoadBalancer, if it exists. */
  readonly service: unknown;
  /** Message of the newest Event about a failure of the cloud to create the load balancer. */
  readonly failure: string | undefined;
}

/** Returns the conditions about load balancers and DNS. */
export function describePublishing(parts: PublishingParts): readonly ConditionDraft[] {
  return [...describeBalancer(parts), describeBalancerProgress(parts), ...describeNames(parts)];
}

function describeBalancer({ strategy, service, failure }: PublishingParts): readonly ConditionDraft[] {
  if (strategy.type !== 'LoadBalancerService') {
    const message = 'The configured endpoint publishing strategy does not include a managed load balancer';
    const reason = 'EndpointPublishingStrategyExcludesManagedLoadBalancer';
    return [{ type: 'LoadBalancerManaged', status: 'False', reason, message }];
  }
  const managed: ConditionDraft = {
    type: 'LoadBalancerManaged',
    status: 'True',
    reason: 'WantedByEndpointPublishingStrategy',
    message: 'The endpoint publishing strategy supports a managed load balancer',
  };
  const ready = (status: 'True' | 'False', reason: string, message: string): ConditionDraft[] => [
    managed,
    { type: 'LoadBalancerReady', status, reason, message },
  ];
  if (!isRecord(service)) return ready('False', 'ServiceNotFound', 'The LoadBalancer service resource is missing');
  if (isProvisioned(service))
    return ready('True', 'LoadBalancerProvisioned', 'The LoadBalancer service is provisioned');
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

function describeBalancerProgress({ strategy, service }: PublishingParts): ConditionDraft {
  const type = 'LoadBalancerProgressing';
  if (strategy.type === 'LoadBalancerService') {
    if (!isRecord(service)) {
      return { type, status: 'True', reason: 'NoService', message: 'LoadBalancer Service not created.' };
    }
    const { scope } = strategy.loadBalancer;
    const present = isInternal(service) ? 'Internal' : 'External';
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
