import { serverAddress } from '../../../lab/http-node.ts';

/** What a test says about a Route; the rest is right and the same. */
export interface RouteWords {
  readonly namespace?: string;
  /** Seconds after an arbitrary moment; older ones come first. */
  readonly age?: number;
  /** Annotations below `haproxy.router.openshift.io/`, or with their whole key. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly service?: string;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A Route. */
export function route(name: string, host: string | undefined, words: RouteWords = {}): object {
  const { namespace = 'shop', age = 0, annotations = {}, labels = {}, service = 'web', spec = {} } = words;
  return {
    apiVersion: 'route.openshift.io/v1',
    kind: 'Route',
    metadata: {
      namespace,
      name,
      uid: `${namespace}-${name}`,
      creationTimestamp: new Date(Date.UTC(2026, 0, 1) + age * 1000).toISOString(),
      labels,
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [
          key.includes('/') ? key : `haproxy.router.openshift.io/${key}`,
          value,
        ]),
      ),
    },
    spec: { ...(host !== undefined && { host }), to: { kind: 'Service', name: service }, ...spec },
  };
}

/** A Service with the endpoints of one slice, each a pod on a port of the test's servers. */
export function service(
  name: string,
  ports: readonly number[],
  words: { readonly namespace?: string; readonly appProtocol?: string; readonly isReady?: boolean } = {},
): readonly object[] {
  const { namespace = 'shop', appProtocol, isReady = true } = words;
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec: { ports: [{ name: 'web', port: 80 }] } },
    ...ports.map((port, index) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace, name: `${name}-${index}`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'web', port, ...(appProtocol !== undefined && { appProtocol }) }],
      endpoints: [
        {
          addresses: [serverAddress],
          conditions: { ready: isReady },
          targetRef: { kind: 'Pod', name: `${name}-${port}` },
        },
      ],
    })),
  ];
}
