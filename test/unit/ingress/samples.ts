import { formatProblem } from '../../../src/base/model/problem.ts';
import type { PortRequest } from '../../../src/ingress/intent/port-request.ts';
import { type EndpointSlice, parseEndpointSlice } from '../../../src/ingress/objects/endpoint-slice.ts';
import { parseService, type Service } from '../../../src/ingress/objects/service.ts';
import { parseRoute, type Route } from '../../../src/ingress/route/route.ts';

/** The Route of the TCP router's documentation, word for word. */
export const documentedRoute = {
  kind: 'Route',
  apiVersion: 'route.openshift.io/v1',
  metadata: {
    name: 'ottcache-002',
    annotations: {
      'haproxy.router.openshift.io/wzh-router-name': 'wzh-router-1',
      'haproxy.router.openshift.io/external-tcp-port': '6620',
    },
  },
  spec: {
    to: { kind: 'Service', name: 'ottcache-002-service' },
    port: { targetPort: 6620 },
    tls: { termination: 'passthrough', insecureEdgeTerminationPolicy: 'None' },
  },
};

/** What a test may say about a Route; the rest is right and the same. */
export interface RouteWords {
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  /** Seconds after an arbitrary moment. */
  readonly created?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** TCP port. */
  readonly port?: number | string;
  /** Annotations below `haproxy.router.openshift.io/`. */
  readonly annotations?: Readonly<Record<string, unknown>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A Route as Kubernetes would send it. */
export function writeRoute(words: RouteWords = {}): Record<string, unknown> {
  const { namespace = 'shop', name = 'web', port = 13306, annotations = {}, labels = {}, spec = {} } = words;
  const prefixed = Object.entries({ 'external-tcp-port': `${port}`, ...annotations }).map(([key, value]) => [
    key.includes('/') ? key : `haproxy.router.openshift.io/${key}`,
    value,
  ]);
  return {
    apiVersion: 'route.openshift.io/v1',
    kind: 'Route',
    metadata: {
      namespace,
      name,
      uid: words.uid ?? `uid-${namespace}-${name}`,
      creationTimestamp: new Date(Date.UTC(2026, 0, 1) + (words.created ?? 0) * 1000).toISOString(),
      labels,
      annotations: Object.fromEntries(prefixed),
    },
    spec: { to: { kind: 'Service', name: 'web' }, ...spec },
  };
}

/** The Route, read. Throws when it is none. */
export function readRoute(input: unknown): Route {
  const reading = parseRoute(input);
  if (!reading.ok) throw new Error(`Cannot read the Route of this test: ${JSON.stringify(reading)}`);
  return reading.value;
}

/** A Route's request for ports. Throws when it has none. */
export function readRequest(input: unknown): PortRequest {
  const { ports } = readRoute(input);
  if (ports === undefined) throw new Error('The Route of this test asks for no port');
  return ports;
}

/** Returns the problems of a Route, one line each. */
export function problemsOfRoute(input: unknown): readonly string[] {
  const { demand } = readRequest(input);
  return demand.ok ? [] : demand.problems.map(formatProblem);
}

/** A Service without anything remarkable. */
export function makeService(name = 'web', spec: Readonly<Record<string, unknown>> = {}): Service {
  const read = parseService({ metadata: { namespace: 'shop', name }, spec });
  if (!read.ok) throw new Error('Cannot read the Service of this test');
  return read.value;
}

/** What a test may say about an endpoint. */
export interface EndpointWords {
  readonly address: string;
  readonly conditions?: Readonly<Record<string, boolean>>;
  readonly nodeName?: string;
}

/** An EndpointSlice of a Service in the namespace `shop`, as Kubernetes would send it. */
export function writeSlice(
  service: string,
  endpoints: readonly EndpointWords[],
  ports: readonly unknown[] = [{ name: 'main', protocol: 'TCP', port: 3306 }],
  name = `${service}-1`,
): Record<string, unknown> {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name, labels: { 'kubernetes.io/service-name': service } },
    addressType: endpoints[0]?.address.includes(':') ? 'IPv6' : 'IPv4',
    ports,
    endpoints: endpoints.map(({ address, ...rest }) => ({ addresses: [address], ...rest })),
  };
}

/** The slice, read. Throws when it is none. */
export function makeSlice(...words: Parameters<typeof writeSlice>): EndpointSlice {
  const read = parseEndpointSlice(writeSlice(...words));
  if (!read.ok) throw new Error(`Cannot read the slice of this test: ${read.problems.map(formatProblem).join('; ')}`);
  return read.value;
}
