import type { KubeObject } from '../../lab/api-server.ts';
import type { EchoPod } from './echo-protocol.ts';

/** A running pod of a Deployment. */
export interface PodObject {
  /** `NAMESPACE/NAME` of its Deployment. */
  readonly deployment: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly echo: EchoPod;
}

interface DeploymentSpec {
  readonly replicas?: number;
  readonly template: {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly spec: {
      readonly containers: readonly { readonly env?: readonly { readonly name: string; readonly value?: string }[] }[];
      readonly volumes?: readonly { readonly secret?: { readonly secretName: string } }[];
    };
  };
}

/** Returns the pods of Deployments with addresses of their own, from number `first` on. */
export function makePods(
  deployments: readonly KubeObject[],
  first: number,
  secretOf: (namespace: string, name: string) => KubeObject | undefined,
): readonly PodObject[] {
  let number = first;
  return deployments.flatMap(({ metadata: { namespace = '', name }, spec }) => {
    const { replicas = 1, template } = spec as DeploymentSpec;
    const env = new Map(template.spec.containers.flatMap((one) => (one.env ?? []).map((v) => [v.name, v.value])));
    const secret = template.spec.volumes?.flatMap((one) => one.secret?.secretName ?? [])[0];
    const data = secret === undefined ? undefined : (secretOf(namespace, secret)?.data as Record<string, string>);
    const decode = (key: string) => Buffer.from(data?.[key] ?? '', 'base64').toString();
    return Array.from({ length: replicas }, (_, index): PodObject => {
      const { labels } = template.metadata;
      return {
        deployment: `${namespace}/${name}`,
        labels,
        echo: {
          address: `10.244.0.${++number}`,
          name: `${name}-5d8c7b9f4-x${index}abc`,
          namespace,
          service: env.get('SERVICE_NAME') ?? labels.app ?? name,
          mode: env.has('GRPC_ECHO_SERVER') ? 'grpc' : env.has('TCP_ECHO_SERVER') ? 'tcp' : 'http',
          ...(data !== undefined && { tls: { certificate: decode('tls.crt'), key: decode('tls.key') } }),
        },
      };
    });
  });
}

interface ServiceSpec {
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports: readonly {
    readonly name?: string;
    readonly port: number;
    readonly targetPort?: number;
    readonly protocol?: string;
    readonly appProtocol?: string;
  }[];
}

/** Returns the EndpointSlice of a Service with a selector, as the cluster's controller makes it. */
export function makeSlices({ metadata, spec }: KubeObject, pods: readonly PodObject[]): readonly KubeObject[] {
  const { selector, ports } = spec as ServiceSpec;
  if (selector === undefined) return [];
  const { namespace = '', name } = metadata;
  const selected = pods.filter(
    ({ echo, labels }) =>
      echo.namespace === namespace && Object.entries(selector).every(([key, value]) => labels[key] === value),
  );
  return [
    {
      metadata: { namespace, name: `${name}-slice`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: ports.map(({ name: portName = '', port, targetPort = port, protocol = 'TCP', appProtocol }) => ({
        name: portName,
        port: targetPort,
        protocol,
        ...(appProtocol !== undefined && { appProtocol }),
      })),
      endpoints: selected.map(writeEndpoint),
    },
  ];
}

/** Returns the endpoint of a ready pod. */
export function writeEndpoint({ echo }: PodObject): object {
  return {
    addresses: [echo.address],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: 'n2',
    targetRef: { kind: 'Pod', namespace: echo.namespace, name: echo.name },
  };
}
