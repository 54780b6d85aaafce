import { hash } from 'node:crypto';
import { clusterNames } from '../../base/kubernetes/names.ts';

/** Namespaces, named as in OpenShift. */
export const places = {
  /** IngressControllers, and the Secret of the operator's certificate authority. */
  objects: 'openshift-ingress-operator',
  /** Routers and everything that belongs to them. */
  routers: clusterNames.routerNamespace,
  /** ConfigMaps that IngressControllers name. */
  configuration: 'openshift-config',
  /** ConfigMaps that the operator publishes. */
  published: 'openshift-config-managed',
} as const;

const domain = 'ingresscontroller.operator.openshift.io';

/** Label of pods: the name of their IngressController. */
export const podLabel = `${domain}/deployment-ingresscontroller`;
/** Label of pods: the generation of their template, for affinity. */
export const hashLabel = `${domain}/hash`;
/** Label of every object of an IngressController: its name. */
export const ownerLabel = `${domain}/owning-ingresscontroller`;
export const finalizer = `${domain}/finalizer-ingresscontroller`;

/** Annotations of an IngressController. */
export const annotations = {
  http2: 'ingress.operator.openshift.io/default-enable-http2',
  hardStopAfter: 'ingress.operator.openshift.io/hard-stop-after',
  /** `spec.loadBalancerClass` of the Service. */
  loadBalancerClass: 'egress-router.io/load-balancer-class',
  /** The IngressAddressPool whose address the router gets. */
  addressPool: clusterNames.addressPool,
  /** Annotations of the Service, a YAML or JSON object of strings. */
  serviceAnnotations: 'egress-router.io/service-annotations',
} as const;

/** Annotation of an applied object: the digest of what the operator applied. */
export const manifestAnnotation = 'egress-router.io/manifest';
/** Annotation of pods: the digest of copied files that the agent reads only when it starts. */
export const filesAnnotation = 'egress-router.io/files';

/** Names of the objects of an IngressController. */
export interface RouterNames {
  /** Deployment or DaemonSet, disruption budget, network policy, Service of type LoadBalancer. */
  readonly router: string;
  readonly nodePort: string;
  readonly internal: string;
  readonly stats: string;
  /** Secret with the default certificate that the operator creates. */
  readonly certificate: string;
  /** Secret with the certificate of the metrics. */
  readonly metricsCertificate: string;
  readonly clientAuthorities: string;
  /** ConfigMap with the revocation lists of {@link clientAuthorities}. */
  readonly revocationLists: string;
  readonly errorPages: string;
}

export function namesOf(name: string): RouterNames {
  return {
    router: `router-${name}`,
    nodePort: `router-nodeport-${name}`,
    internal: `router-internal-${name}`,
    stats: `router-stats-${name}`,
    certificate: `router-certs-${name}`,
    metricsCertificate: `router-metrics-certs-${name}`,
    clientAuthorities: `router-client-ca-${name}`,
    revocationLists: `router-client-ca-crl-${name}`,
    errorPages: `${name}-errorpages`,
  };
}

/** Key of the ConfigMap with revocation lists. */
export const listsKey = 'crl.pem';

/** Maximum length of a name with which the names of all objects are valid: a Service's has at most 63 characters. */
export const longestName = 63 - 'router-internal-'.length;

/** Returns the DNS names of the Service for metrics. */
export function metricsHostsOf(name: string): readonly string[] {
  const service = `${namesOf(name).internal}.${places.routers}.svc`;
  return [service, `${service}.cluster.local`];
}

/** Label of the nodes on which the DaemonSet `ingress-agent` runs (manifests/ingress/daemonset.yaml). */
export const agentNodeLabel = 'egress-router.io/ingress';

/** Name of the Secret of the certificate authority, and of the published and the mounted ConfigMap. */
export const authorityNames = {
  secret: 'router-ca',
  published: 'default-ingress-cert',
  services: 'service-ca-bundle',
} as const;

/** Service account of all routers. */
export const serviceAccount = 'router';

/** Returns the agent's `--name`: at most 20 characters, and unique, because it names its rules on the node. */
export function agentNameOf(name: string): string {
  const room = 20 - 'ic-'.length;
  return `ic-${name.length <= room ? name : `${name.slice(0, 8)}-${hash('sha256', name).slice(0, 8)}`}`;
}

/** Labels of every object of an IngressController. */
export function ownLabels(name: string): Readonly<Record<string, string>> {
  return { [ownerLabel]: name, 'app.kubernetes.io/managed-by': clusterNames.controller };
}

/** `spec.selector` of a router's pods. */
export function selectorOf(name: string): Readonly<Record<string, string>> {
  return { [podLabel]: name };
}
