import { type EndpointSlice, parseEndpointSlice } from '../../api/endpoint-slice.ts';
import { type Gateway, parseGateway } from '../../api/gateway.ts';
import { type Namespace, parseNamespace } from '../../api/namespace.ts';
import { keyOf, type ObjectMeta } from '../../api/object-meta.ts';
import { parseReferenceGrant, type ReferenceGrant } from '../../api/reference-grant.ts';
import { parseRoute, type Route } from '../../api/route.ts';
import { parseService, type Service } from '../../api/service.ts';
import { isRecord } from '../../api/shape.ts';
import { parseStreamRoute, type StreamRoute } from '../../api/stream-route.ts';
import type { Problem } from '../../model/problem.ts';

/** An object that the agent acts on, read. */
export type AgentObject =
  | { readonly kind: 'Route'; readonly value: Route }
  | { readonly kind: 'Service'; readonly value: Service }
  | { readonly kind: 'EndpointSlice'; readonly value: EndpointSlice }
  | { readonly kind: 'Namespace'; readonly value: Namespace }
  | { readonly kind: 'Gateway'; readonly value: Gateway }
  | { readonly kind: 'TCPRoute' | 'UDPRoute'; readonly value: StreamRoute }
  | { readonly kind: 'ReferenceGrant'; readonly value: ReferenceGrant };

export type AgentKind = AgentObject['kind'];

/** The kinds that the agent acts on. */
const agentKinds: readonly AgentKind[] = [
  'Route',
  'Service',
  'EndpointSlice',
  'Namespace',
  'Gateway',
  'TCPRoute',
  'UDPRoute',
  'ReferenceGrant',
];

/** What an object is to the agent. */
export type ObjectReading =
  | { readonly outcome: 'object'; readonly object: AgentObject }
  /** None of its business: another kind, or a Route that asks for no port. */
  | { readonly outcome: 'other' }
  | { readonly outcome: 'unreadable'; readonly problems: readonly Problem[] };

/** `apiVersion`s of each kind; a manifest of another group with the same kind is something else. */
const versions: Readonly<Record<AgentKind, readonly string[]>> = {
  Route: ['route.openshift.io/v1'],
  Service: ['v1'],
  EndpointSlice: ['discovery.k8s.io/v1'],
  Namespace: ['v1'],
  Gateway: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
  TCPRoute: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1alpha2'],
  UDPRoute: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1alpha2'],
  ReferenceGrant: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
};

/** Reads an object by its `kind` and `apiVersion`. `routerNameKey` is the annotation of a Route that names its router. */
export function readObject(input: unknown, routerNameKey?: string): ObjectReading {
  if (!isRecord(input) || typeof input.kind !== 'string' || typeof input.apiVersion !== 'string') {
    return {
      outcome: 'unreadable',
      problems: [{ path: 'kind', value: 'missing', cure: 'must name kind and apiVersion' }],
    };
  }
  const { kind: written, apiVersion } = input;
  const kind = agentKinds.find((candidate) => candidate === written && versions[candidate].includes(apiVersion));
  return kind === undefined ? { outcome: 'other' } : readKind(kind, input, routerNameKey);
}

/** As {@link readObject}, of a kind that is known: items of a list do not say theirs. */
export function readKind(kind: AgentKind, input: unknown, routerNameKey?: string): ObjectReading {
  switch (kind) {
    case 'Route': {
      const reading = parseRoute(input, routerNameKey);
      if (reading.kind === 'other') return { outcome: 'other' };
      if (reading.kind === 'unreadable') return { outcome: 'unreadable', problems: reading.problems };
      return { outcome: 'object', object: { kind, value: reading.route } };
    }
    case 'Service': {
      const read = parseService(input);
      return read.ok ? { outcome: 'object', object: { kind, value: read.value } } : refuse(read.problems);
    }
    case 'EndpointSlice': {
      const read = parseEndpointSlice(input);
      return read.ok ? { outcome: 'object', object: { kind, value: read.value } } : refuse(read.problems);
    }
    case 'Namespace': {
      const read = parseNamespace(input);
      return read.ok ? { outcome: 'object', object: { kind, value: read.value } } : refuse(read.problems);
    }
    case 'Gateway': {
      const read = parseGateway(input);
      return read.ok ? { outcome: 'object', object: { kind, value: read.value } } : refuse(read.problems);
    }
    case 'TCPRoute':
    case 'UDPRoute': {
      const read = parseStreamRoute(input, kind === 'TCPRoute' ? 'tcp' : 'udp');
      return read.ok ? { outcome: 'object', object: { kind, value: read.value } } : refuse(read.problems);
    }
    case 'ReferenceGrant': {
      const read = parseReferenceGrant(input);
      return read.ok ? { outcome: 'object', object: { kind, value: read.value } } : refuse(read.problems);
    }
  }
}

function refuse(problems: readonly Problem[]): ObjectReading {
  return { outcome: 'unreadable', problems };
}

/** `NAMESPACE/NAME` of an object. */
export function objectKey({ value }: { readonly value: { readonly meta: ObjectMeta } }): string {
  return keyOf(value.meta);
}
