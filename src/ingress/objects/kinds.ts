import type { Parsed, Problem } from '../../base/model/problem.ts';
import { keyOf, type ObjectMeta } from '../../base/read/object-meta.ts';
import { isRecord } from '../../base/read/shape.ts';
import { type BackendTlsPolicy, parseBackendTlsPolicy } from '../gateway/backend-tls-policy.ts';
import { type Gateway, gatewayAddressesOf, parseGateway } from '../gateway/gateway.ts';
import { type GatewayClass, parseGatewayClass } from '../gateway/gateway-class.ts';
import { type L4Route, parseL4Route } from '../gateway/l4-route.ts';
import { type ListenerSet, parseListenerSet } from '../gateway/listener-set.ts';
import { parseReferenceGrant, type ReferenceGrant } from '../gateway/reference-grant.ts';
import { parseHttpRoute, parseTlsRoute, type SiteRoute } from '../gateway/site-route.ts';
import { type Ingress, parseIngress } from '../k8s-ingress/ingress.ts';
import { type IngressClass, parseIngressClass } from '../k8s-ingress/ingress-class.ts';
import { type AddressPool, parseAddressPool } from '../pools/pool.ts';
import { parseRoute, type Route } from '../route/route.ts';
import { type ConfigMap, parseConfigMap } from './config-map.ts';
import { type EndpointSlice, parseEndpointSlice } from './endpoint-slice.ts';
import { type Namespace, parseNamespace } from './namespace.ts';
import { type Node, nodeAddressesOf, parseNode } from './node.ts';
import { parseSecret, type Secret } from './secret.ts';
import { balancerStatusOf, parseService, type Service } from './service.ts';

/** The parsed value of an object of each kind. */
export interface ValueOfKind {
  readonly Route: Route;
  readonly Service: Service;
  readonly EndpointSlice: EndpointSlice;
  readonly Namespace: Namespace;
  readonly Node: Node;
  readonly Secret: Secret;
  readonly ConfigMap: ConfigMap;
  readonly Ingress: Ingress;
  readonly IngressClass: IngressClass;
  readonly GatewayClass: GatewayClass;
  readonly Gateway: Gateway;
  readonly ListenerSet: ListenerSet;
  readonly HTTPRoute: SiteRoute;
  readonly GRPCRoute: SiteRoute;
  readonly TLSRoute: SiteRoute;
  readonly TCPRoute: L4Route;
  readonly UDPRoute: L4Route;
  readonly ReferenceGrant: ReferenceGrant;
  readonly BackendTLSPolicy: BackendTlsPolicy;
  readonly IngressAddressPool: AddressPool;
}

/** The kinds that this product reads. */
export type Kind = keyof ValueOfKind;

/** A parsed object. */
export type ClusterObject = { [K in Kind]: { readonly kind: K; readonly value: ValueOfKind[K] } }[Kind];

/** Settings that parsing depends on. */
export interface ReadingContext {
  /** The annotation of a Route that names its router. */
  readonly routerNameKey?: string;
  /** Whether requests of Routes for ports, and objects of the Gateway API, are ignored. */
  readonly ignoresPorts?: boolean;
}

/** One kind of object: its place in the API, and its parser. */
export interface KindRow<Value> {
  /** API group; empty for the core group. */
  readonly group: string;
  /** Supported versions, most preferred first. */
  readonly versions: readonly string[];
  /** Plural name in API paths. */
  readonly plural: string;
  readonly parse: (input: unknown, context: ReadingContext) => Parsed<Value>;
  /** Returns the part of the object's status that is read. Absent: none. */
  readonly statusOf?: (input: unknown) => unknown;
}

const gateway = 'gateway.networking.k8s.io';

/** Every kind. A new kind is one row here and its parser. */
export const kinds: { readonly [K in Kind]: KindRow<ValueOfKind[K]> } = {
  Route: {
    group: 'route.openshift.io',
    versions: ['v1'],
    plural: 'routes',
    parse: (input, { routerNameKey, ignoresPorts }) => parseRoute(input, routerNameKey, ignoresPorts),
  },
  Service: { group: '', versions: ['v1'], plural: 'services', parse: parseService, statusOf: balancerStatusOf },
  EndpointSlice: {
    group: 'discovery.k8s.io',
    versions: ['v1'],
    plural: 'endpointslices',
    parse: parseEndpointSlice,
  },
  Namespace: { group: '', versions: ['v1'], plural: 'namespaces', parse: parseNamespace },
  Node: { group: '', versions: ['v1'], plural: 'nodes', parse: parseNode, statusOf: nodeAddressesOf },
  Secret: { group: '', versions: ['v1'], plural: 'secrets', parse: parseSecret },
  ConfigMap: { group: '', versions: ['v1'], plural: 'configmaps', parse: parseConfigMap },
  Ingress: { group: 'networking.k8s.io', versions: ['v1'], plural: 'ingresses', parse: parseIngress },
  IngressClass: { group: 'networking.k8s.io', versions: ['v1'], plural: 'ingressclasses', parse: parseIngressClass },
  GatewayClass: { group: gateway, versions: ['v1', 'v1beta1'], plural: 'gatewayclasses', parse: parseGatewayClass },
  Gateway: {
    group: gateway,
    versions: ['v1', 'v1beta1'],
    plural: 'gateways',
    parse: parseGateway,
    statusOf: gatewayAddressesOf,
  },
  ListenerSet: { group: gateway, versions: ['v1'], plural: 'listenersets', parse: parseListenerSet },
  HTTPRoute: {
    group: gateway,
    versions: ['v1', 'v1beta1'],
    plural: 'httproutes',
    parse: (input) => parseHttpRoute(input, 'HTTPRoute'),
  },
  GRPCRoute: {
    group: gateway,
    versions: ['v1', 'v1alpha2'],
    plural: 'grpcroutes',
    parse: (input) => parseHttpRoute(input, 'GRPCRoute'),
  },
  TLSRoute: {
    group: gateway,
    versions: ['v1', 'v1alpha3', 'v1alpha2'],
    plural: 'tlsroutes',
    parse: parseTlsRoute,
  },
  TCPRoute: {
    group: gateway,
    versions: ['v1', 'v1alpha2'],
    plural: 'tcproutes',
    parse: (input) => parseL4Route(input, 'tcp'),
  },
  UDPRoute: {
    group: gateway,
    versions: ['v1', 'v1alpha2'],
    plural: 'udproutes',
    parse: (input) => parseL4Route(input, 'udp'),
  },
  ReferenceGrant: {
    group: gateway,
    versions: ['v1', 'v1beta1'],
    plural: 'referencegrants',
    parse: parseReferenceGrant,
  },
  BackendTLSPolicy: {
    group: gateway,
    versions: ['v1', 'v1alpha3'],
    plural: 'backendtlspolicies',
    parse: parseBackendTlsPolicy,
  },
  IngressAddressPool: {
    group: 'egress-router.io',
    versions: ['v1alpha1'],
    plural: 'ingressaddresspools',
    parse: parseAddressPool,
  },
};

export const kindNames = Object.keys(kinds) as readonly Kind[];

/** Result of reading an object. */
export type ObjectReading =
  | { readonly outcome: 'object'; readonly object: ClusterObject }
  /** Its kind is not in {@link kinds}. `problem` is set if its author may expect that this router serves it. */
  | { readonly outcome: 'other'; readonly problem?: string }
  | { readonly outcome: 'unreadable'; readonly problems: readonly Problem[] };

/** Parses an object by its `kind` and `apiVersion`. */
export function readObject(input: unknown, context: ReadingContext = {}): ObjectReading {
  if (!isRecord(input) || typeof input.kind !== 'string' || typeof input.apiVersion !== 'string') {
    return {
      outcome: 'unreadable',
      problems: [{ path: 'kind', value: 'missing', cure: 'must name kind and apiVersion' }],
    };
  }
  const { kind: written, apiVersion } = input;
  const kind = kindNames.find((candidate) => candidate === written && listApiVersions(candidate).includes(apiVersion));
  if (
    kind !== undefined &&
    context.ignoresPorts === true &&
    [gateway, kinds.Ingress.group, kinds.IngressAddressPool.group].includes(kinds[kind].group)
  )
    return { outcome: 'other' };
  if (kind !== undefined) return readKind(kind, input, context);
  const problem = explainOther(written, apiVersion);
  return { outcome: 'other', ...(problem !== undefined && { problem }) };
}

/** What to use instead of kinds that are often written for a router. */
const alternatives: Readonly<Record<string, string>> = {
  Template: 'write the objects that "oc process" makes of it',
  Endpoints: 'write an EndpointSlice (discovery.k8s.io/v1)',
};

function explainOther(written: string, apiVersion: string): string | undefined {
  const kind = kindNames.find((one) => one === written);
  if (kind !== undefined) {
    // The same kind of another API is a different object.
    const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
    const isOurs = group === kinds[kind].group || apiVersion === 'v1';
    return isOurs ? `ignored: apiVersion ${apiVersion} must be ${listApiVersions(kind).join(' or ')}` : undefined;
  }
  const cure = Object.hasOwn(alternatives, written) ? alternatives[written] : undefined;
  return cure && `ignored: this router serves no ${written}; ${cure}`;
}

/** Like {@link readObject}, for a known kind: items of a list do not contain their kind. */
export function readKind(kind: Kind, input: unknown, context: ReadingContext = {}): ObjectReading {
  const read = kinds[kind].parse(input, context);
  if (!read.ok) return { outcome: 'unreadable', problems: read.problems };
  return { outcome: 'object', object: { kind, value: read.value } as ClusterObject };
}

/** Returns the `apiVersion`s of a kind. A manifest with the same kind in another group is a different object. */
export function listApiVersions(kind: Kind): readonly string[] {
  const { group, versions } = kinds[kind];
  return versions.map((version) => (group === '' ? version : `${group}/${version}`));
}

/** Returns `NAMESPACE/NAME` of an object. */
export function objectKey({ value }: { readonly value: { readonly meta: ObjectMeta } }): string {
  return keyOf(value.meta);
}
