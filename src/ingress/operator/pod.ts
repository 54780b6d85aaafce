import { hash } from 'node:crypto';
import { isAnywhere, selectorAsLabels } from './label-selector.ts';
import {
  agentNameOf,
  agentNodeLabel,
  authorityNames,
  filesAnnotation,
  hashLabel,
  listsKey,
  namesOf,
  podLabel,
  selectorOf,
  serviceAccount,
} from './names.ts';
import { podShape } from './pod-shape.ts';
import type { IngressControllerSpec } from './spec.ts';
import { portsOf, type Strategy } from './strategy.ts';
import type { Variables } from './variables/model.ts';
import { mountPaths } from './variables/paths.ts';

/** Inputs of a router's pod template. */
export interface PodParts {
  readonly name: string;
  readonly image: string;
  readonly spec: IngressControllerSpec;
  readonly strategy: Strategy;
  readonly variables: Variables;
  /** Name of the Secret with the default certificate. */
  readonly certificate: string;
  /** Digest of copied files that the agent reads only when it starts. */
  readonly files: string;
  /** Whether the authorities of client certificates have revocation lists. */
  readonly hasRevocationLists: boolean;
  /** Whether the ingress nodes hold an address for the router, so that its pods must run there. */
  readonly hasVirtualAddress: boolean;
  /** Whether pods of one generation must run on different nodes. */
  readonly hasAffinity: boolean;
}

/** Seconds that connections have to end. HAProxy gets slightly less, because the agent waits for it. */
const gracePeriod = 3600;
/** Seconds for which HAProxy drains, after serving for another 45 s. */
const drainTime = '3500s';

/**
 * HAProxy's configuration, keys and sockets: in memory, and private to this pod. Pods of routers do not hand
 * over to each other, because host ports keep them on different nodes, or each has its own network.
 */
const runVolume = { name: 'run', emptyDir: { medium: 'Memory' } };

/** Returns the pod template. Different templates have different values of the hash label. */
export function makePodTemplate(parts: PodParts): Readonly<Record<string, unknown>> {
  const draft = describePod(parts, 'HASH');
  const digest = hash('sha256', JSON.stringify(draft)).slice(0, 10);
  return describePod(parts, digest);
}

function describePod(parts: PodParts, digest: string): Readonly<Record<string, unknown>> {
  const { name, spec, strategy, files } = parts;
  const isHost = strategy.type === 'HostNetwork';
  const { nodeSelector, tolerations } = spec.nodePlacement ?? {};
  return {
    metadata: {
      labels: { ...selectorOf(name), [hashLabel]: digest },
      ...(files !== '' && { annotations: { [filesAnnotation]: files } }),
    },
    spec: {
      serviceAccountName: serviceAccount,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: gracePeriod,
      priorityClassName: 'system-cluster-critical',
      ...(isHost && { hostNetwork: true }),
      dnsPolicy: isHost ? 'ClusterFirstWithHostNet' : 'ClusterFirst',
      ...chooseNodes(nodeSelector),
      ...(tolerations !== undefined && tolerations.length > 0 && { tolerations }),
      ...makeAffinity(parts, digest),
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'topology.kubernetes.io/zone',
          whenUnsatisfiable: 'ScheduleAnyway',
          labelSelector: { matchExpressions: [{ key: hashLabel, operator: 'In', values: [digest] }] },
        },
      ],
      containers: [makeAgent(parts), makeHaproxy(parts)],
      volumes: [runVolume, ...listVolumes(parts).map(({ volume }) => volume)],
    },
  };
}

/** An object's selector replaces the default. API servers do not store an empty selector. */
function chooseNodes(selector: object | undefined): object {
  const labels = selector === undefined ? { 'kubernetes.io/os': 'linux' } : (selectorAsLabels(selector) ?? {});
  return Object.keys(labels).length === 0 ? {} : { nodeSelector: labels };
}

function makeAffinity(parts: PodParts, digest: string): object {
  const { name, spec, hasAffinity } = parts;
  const affinity = {
    // An object with a node selector chooses nodes itself.
    ...(isAnywhere(spec.nodePlacement?.nodeSelector) && chooseAgents(parts)),
    ...(hasAffinity && spreadPods(name, digest)),
  };
  return Object.keys(affinity).length === 0 ? {} : { affinity };
}

/**
 * Keeps routers with HostNetwork off the nodes of the DaemonSet `ingress-agent`: both listen on ports of the node with
 * SO_REUSEPORT, so the kernel would give each an arbitrary half of the connections. Routers with a virtual address must run
 * on these nodes: only a node with a ready pod holds the address.
 */
function chooseAgents({ strategy, hasVirtualAddress }: PodParts): object {
  if (!hasVirtualAddress && strategy.type !== 'HostNetwork') return {};
  const expression = { key: agentNodeLabel, operator: hasVirtualAddress ? 'Exists' : 'DoesNotExist' };
  return {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [expression] }] },
    },
  };
}

/**
 * A new pod prefers the node of an old one, so that a node with an endpoint keeps one during a rollout. Pods of
 * one generation run on different nodes.
 */
function spreadPods(name: string, digest: string): object {
  const term = (operator: string) => ({
    topologyKey: 'kubernetes.io/hostname',
    labelSelector: {
      matchExpressions: [
        { key: podLabel, operator: 'In', values: [name] },
        { key: hashLabel, operator, values: [digest] },
      ],
    },
  });
  return {
    podAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term('NotIn') }],
    },
    podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('In')] },
  };
}

function makeAgent(parts: PodParts): object {
  const { name, image, strategy, variables } = parts;
  const ports = portsOf(strategy);
  const isHost = strategy.type === 'HostNetwork';
  const port = (label: string, number: number) => ({
    name: label,
    containerPort: number,
    protocol: 'TCP',
    ...(isHost && { hostPort: number }),
  });
  const probe = (path: string) => ({
    httpGet: { path, port: ports.stats, scheme: 'HTTP', ...(isHost && { host: 'localhost' }) },
    timeoutSeconds: 1,
    successThreshold: 1,
  });
  const [{ command, resources, securityContext, volumeMounts }] = podShape.containers;
  return {
    name: 'router',
    image,
    command: [...command, '--hosts-only', '--cleanup-on-exit', ...sharedArguments(name), ...listPorts(strategy)],
    env: [
      ...Object.entries(variables)
        // API servers do not store empty values.
        .map(([variable, value]) => ({ name: variable, ...(value !== '' && { value }) }))
        .sort((one, other) => (one.name < other.name ? -1 : 1)),
      { name: 'NODE_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'spec.nodeName' } } },
      { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } } },
    ],
    ports: [port('http', ports.http), port('https', ports.https), port('metrics', ports.stats)],
    livenessProbe: { ...probe('/healthz'), periodSeconds: 10, failureThreshold: 3, terminationGracePeriodSeconds: 10 },
    readinessProbe: { ...probe('/healthz/ready'), periodSeconds: 10, failureThreshold: 3 },
    startupProbe: { ...probe('/healthz/ready'), periodSeconds: 1, failureThreshold: 120 },
    resources,
    securityContext,
    volumeMounts: [...volumeMounts, ...listVolumes(parts).map(({ mount }) => mount)],
  };
}

function makeHaproxy({ name, image }: PodParts): object {
  const [, { command, resources, securityContext, volumeMounts }] = podShape.containers;
  return {
    name: 'haproxy',
    image,
    command: [...command, ...sharedArguments(name)],
    resources,
    securityContext,
    volumeMounts,
  };
}

function sharedArguments(name: string): readonly string[] {
  return [`--name=${agentNameOf(name)}`, `--shutdown-timeout=${drainTime}`];
}

/** The variables of ports apply to HostNetwork only; in a pod's own network the agent needs options. */
function listPorts(strategy: Strategy): readonly string[] {
  const { http, https } = portsOf(strategy);
  return strategy.type === 'HostNetwork' ? [] : [`--http-port=${http}`, `--https-port=${https}`];
}

/** Volumes of Secrets and ConfigMaps with their mounts. */
function listVolumes({
  name,
  spec,
  certificate,
  hasRevocationLists,
}: PodParts): readonly { volume: object; mount: object }[] {
  const names = namesOf(name);
  const entry = (label: string, mountPath: string, source: object) => ({
    volume: { name: label, ...source },
    mount: { name: label, mountPath, readOnly: true },
  });
  const file = (key: string) => ({ items: [{ key, path: key }] });
  const { clientCertificatePolicy, clientCA } = spec.clientTLS ?? {};
  return [
    entry('default-certificate', mountPaths.certificate, { secret: { secretName: certificate, defaultMode: 0o440 } }),
    entry('metrics-certs', mountPaths.metricsCertificate, {
      secret: { secretName: names.metricsCertificate, defaultMode: 0o440 },
    }),
    entry('stats-auth', mountPaths.stats, { secret: { secretName: names.stats, defaultMode: 0o440 } }),
    entry('service-ca-bundle', mountPaths.services, {
      configMap: { name: authorityNames.services, ...file('service-ca.crt') },
    }),
    ...(clientCertificatePolicy && clientCA?.name
      ? [
          entry('client-ca', mountPaths.clientAuthorities, {
            configMap: { name: names.clientAuthorities, ...file('ca-bundle.pem') },
          }),
        ]
      : []),
    ...(hasRevocationLists
      ? [
          entry('client-ca-crl', mountPaths.revocationLists, {
            configMap: { name: names.revocationLists, ...file(listsKey) },
          }),
        ]
      : []),
    ...(spec.httpErrorCodePages?.name
      ? [entry('error-pages', mountPaths.errorPages, { configMap: { name: names.errorPages } })]
      : []),
  ];
}
