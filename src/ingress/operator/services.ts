import { parse } from 'yaml';
import { isRecord } from '../../base/read/shape.ts';
import { textOf } from './json.ts';
import { annotations as keys, namesOf, selectorOf } from './names.ts';
import { makeObject, type RouterObject } from './objects.ts';
import { type Strategy, usualPorts } from './strategy.ts';
import type { IpMode } from './variables/model.ts';
import { readVirtualAddress } from './virtual-address.ts';

/** Inputs of the Services of a router. */
export interface ServiceParts {
  readonly name: string;
  readonly domain: string;
  readonly strategy: Strategy;
  /** Annotations of the IngressController. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly ipMode: IpMode;
  /** Whether the Service of type NodePort has the port of metrics: an administrator may remove it. */
  readonly hasMetricsNodePort: boolean;
}

const port = (name: keyof typeof usualPorts | 'metrics', number: number) => ({
  name,
  protocol: 'TCP',
  port: number,
  targetPort: name,
});
const webPorts = [port('http', usualPorts.http), port('https', usualPorts.https)];
const metricsPort = port('metrics', usualPorts.stats);

/** Returns the Services of a router. */
export function makeServices(parts: ServiceParts): readonly RouterObject[] {
  switch (parts.strategy.type) {
    case 'LoadBalancerService':
      return [makeInternal(parts), makeBalancer(parts, parts.strategy.loadBalancer)];
    case 'NodePortService':
      return [makeInternal(parts), makeNodePort(parts)];
    case 'HostNetwork':
      return readVirtualAddress(parts.strategy, parts.annotations) === undefined
        ? [makeInternal(parts)]
        : // The administrator publishes the names of HostNetwork.
          [makeInternal(parts), makeBalancer(parts, { scope: 'External', dnsManagementPolicy: 'Unmanaged' })];
    default:
      return [makeInternal(parts)];
  }
}

function makeInternal({ name }: ServiceParts): RouterObject {
  return makeObject('services', name, namesOf(name).internal, {
    spec: {
      type: 'ClusterIP',
      selector: selectorOf(name),
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      ports: [...webPorts, metricsPort],
    },
  });
}

function makeNodePort({ name, hasMetricsNodePort }: ServiceParts): RouterObject {
  const { nodePort } = namesOf(name);
  const content = {
    spec: {
      type: 'NodePort',
      selector: selectorOf(name),
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      ports: hasMetricsNodePort ? [...webPorts, metricsPort] : webPorts,
    },
  };
  return makeObject('services', name, nodePort, content, { labels: { app: 'router', router: nodePort } });
}

type Balancer = Extract<Strategy, { readonly type: 'LoadBalancerService' }>['loadBalancer'];

function makeBalancer({ name, domain, annotations, strategy, ipMode }: ServiceParts, balancer: Balancer): RouterObject {
  const { router } = namesOf(name);
  const virtual = readVirtualAddress(strategy, annotations);
  const loadBalancerClass = virtual?.className ?? annotations[keys.loadBalancerClass];
  const { allowedSourceRanges = [], dnsManagementPolicy } = balancer;
  const content = {
    spec: {
      type: 'LoadBalancer',
      selector: selectorOf(name),
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      ports: webPorts,
      ...(allowedSourceRanges.length > 0 && { loadBalancerSourceRanges: allowedSourceRanges }),
      ...(loadBalancerClass && { loadBalancerClass }),
      // Nothing needs a port of every node.
      ...(virtual !== undefined && { allocateLoadBalancerNodePorts: false }),
      ...(virtual !== undefined && ipMode === 'v4v6' && { ipFamilyPolicy: 'PreferDualStack' }),
    },
  };
  return makeObject('services', name, router, content, {
    labels: { app: 'router', router },
    annotations: {
      // ExternalDNS publishes the name where it runs; the operator manages no DNS.
      ...(dnsManagementPolicy === 'Managed' && { 'external-dns.alpha.kubernetes.io/hostname': `*.${domain}` }),
      ...readServiceAnnotations(annotations[keys.serviceAnnotations]),
      ...(virtual?.pool !== undefined && { [keys.addressPool]: virtual.pool }),
    },
  });
}

/** Parses the annotation with the Service's annotations. Undefined if it is not an object of strings. */
export function readServiceAnnotations(text: string | undefined): Readonly<Record<string, string>> | undefined {
  if (text === undefined) return {};
  let value: unknown;
  try {
    value = parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || !Object.values(value).every((one) => typeof one === 'string')) return undefined;
  return value as Record<string, string>;
}

/** Annotations by which clouds make a load balancer internal. */
const internalAnnotations: Readonly<Record<string, RegExp>> = {
  'service.beta.kubernetes.io/aws-load-balancer-internal': /^(?!false$).+/,
  'service.beta.kubernetes.io/aws-load-balancer-scheme': /^internal$/,
  'service.beta.kubernetes.io/azure-load-balancer-internal': /^true$/,
  'cloud.google.com/load-balancer-type': /^Internal$/i,
  'networking.gke.io/load-balancer-type': /^Internal$/i,
  'service.beta.kubernetes.io/openstack-internal-load-balancer': /^true$/,
  'service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type': /^private$/,
};

/** Whether a Service asks its cloud for an internal load balancer. */
export function isInternal(service: unknown): boolean {
  const metadata = isRecord(service) && isRecord(service.metadata) ? service.metadata : {};
  const written = isRecord(metadata.annotations) ? metadata.annotations : {};
  return Object.entries(internalAnnotations).some(([key, pattern]) => pattern.test(textOf(written[key])));
}
