import type { EndpointSlice, SlicePort } from '../../api/endpoint-slice.ts';
import type { RouteBackend, RouteDemand } from '../../api/route.ts';
import type { AskedPort } from '../../api/route-annotations.ts';
import type { Service } from '../../api/service.ts';
import type { Family } from '../../model/address.ts';
import type { Balance, IngressPort, WeightedEndpoint } from '../../model/ingress.ts';
import type { Protocol } from '../../model/redirect.ts';

/** A Service of a Route with its weight; without `service` when no such Service exists. */
export interface ResolvedBackend {
  readonly backend: RouteBackend;
  readonly service?: Service;
  readonly slices: readonly EndpointSlice[];
}

/** What the router does where a Route says nothing. */
export interface RouteDefaults {
  readonly balance: Balance;
  /** Milliseconds; absent: the kernel's. */
  readonly idleTimeout?: number;
}

/** What besides the Route and its Services decides about endpoints. */
export interface ResolveSurroundings {
  /** The name of this node, as EndpointSlices write it. */
  readonly node: string;
  readonly defaults: RouteDefaults;
  /** Whether an endpoint of TCP was found dead, by {@link endpointKey}. */
  readonly isDead: (key: string) => boolean;
}

/** `10.128.0.5 3306`: one place that can be checked. */
export function endpointKey({ address, port }: Pick<WeightedEndpoint, 'address' | 'port'>): string {
  return `${address.text} ${port}`;
}

/** The largest weight of an endpoint: HAProxy's. */
const maxWeight = 256;

/**
 * The ports of one admitted Route with all their endpoints. An endpoint that exists but must get no
 * new connections (not ready, terminating, dead, of a backend of weight 0) is there with weight 0, so
 * that its connections can go on; one that is gone is not there.
 */
export function resolveRoute(
  demand: RouteDemand,
  backends: readonly ResolvedBackend[],
  surroundings: ResolveSurroundings,
): readonly IngressPort[] {
  const { idleTimeout = surroundings.defaults.idleTimeout, allowed, limits } = demand;
  const isLocalOnly = backends.some(({ service }) => service?.localOnly === true);
  return demand.ports.map(
    (asked): IngressPort => ({
      ...asked,
      ...resolveEndpoints(asked, demand.targetPort, backends, surroundings),
      balance: demand.balance ?? defaultBalance(demand.backends, surroundings.defaults),
      limits,
      ...(allowed !== undefined && { allowed }),
      ...(idleTimeout !== undefined && { idleTimeout }),
      ...(isLocalOnly && { localOnly: true }),
    }),
  );
}

/** Turns are the only way to keep weights between Services, as in OpenShift. */
function defaultBalance(backends: readonly RouteBackend[], defaults: RouteDefaults): Balance {
  return backends.filter(({ weight }) => weight > 0).length > 1 ? 'roundrobin' : defaults.balance;
}

/** An endpoint with the share of its Service's weight, before scaling. */
interface Share extends Omit<WeightedEndpoint, 'weight'> {
  readonly share: number;
}

function resolveEndpoints(
  { protocol }: AskedPort,
  targetPort: string | number | undefined,
  backends: readonly ResolvedBackend[],
  surroundings: ResolveSurroundings,
): Pick<IngressPort, 'endpoints' | 'refused'> {
  const isDead = protocol === 'tcp' ? surroundings.isDead : () => false;
  // Clients of one family see its endpoints only, so weights hold within each.
  const refusing = backends.filter(isRefusing).reduce((sum, { backend }) => sum + backend.weight, 0);
  const refused: Partial<Record<Family, number>> = {};
  const endpoints = ([4, 6] as const).flatMap((family) => {
    const shares = new Map<string, Share>();
    for (const backend of backends) {
      addShares(shares, backend, family, selectPorts(backend, protocol, targetPort), surroundings.node);
    }
    const scaled = scaleShares([...shares.values()], refusing, isDead);
    if (scaled.refused > 0) refused[family] = scaled.refused;
    return scaled.endpoints;
  });
  return { endpoints: endpoints.sort(byPlace), ...(refusing > 0 && { refused }) };
}

/** Whether a backend that cannot be used keeps its share of connections, and refuses them (Gateway API, BackendRef). */
function isRefusing({ backend, service }: ResolvedBackend): boolean {
  return backend.isForbidden === true || (backend.servicePort !== undefined && service === undefined);
}

/** Which ports of a Service's slices are meant. */
function selectPorts(
  { backend: { servicePort }, service }: ResolvedBackend,
  protocol: Protocol,
  targetPort: string | number | undefined,
): (port: SlicePort) => boolean {
  if (servicePort !== undefined) {
    const meant = service?.ports.find((port) => port.port === servicePort && port.protocol === protocol);
    return (port) => port.protocol === protocol && port.name === meant?.name;
  }
  return (port) =>
    port.protocol === protocol &&
    (targetPort === undefined || (typeof targetPort === 'number' ? port.port : port.name) === targetPort);
}

function addShares(
  shares: Map<string, Share>,
  { backend, service, slices }: ResolvedBackend,
  family: Family,
  matches: (port: SlicePort) => boolean,
  node: string,
): void {
  if (service === undefined || service.isExternalName || backend.isForbidden === true) return;
  const found = collectEndpoints(slices, family, matches, node);
  // A pod that shuts down still answers; it is used when nothing else is there (KEP-1669).
  const used = found.some(({ state }) => state === 'ready') ? 'ready' : 'draining';
  const active = found.filter(({ state }) => state === used).length;
  for (const { state, ...endpoint } of found) {
    const key = endpointKey(endpoint);
    const share = state === used ? backend.weight / active : 0;
    // Two Services can choose the same pod: it gets the share of both.
    shares.set(key, { ...endpoint, share: share + (shares.get(key)?.share ?? 0) });
  }
}

type Found = Omit<WeightedEndpoint, 'weight'> & { readonly state: EndpointSlice['endpoints'][number]['state'] };

const rank = { ready: 2, draining: 1, unready: 0 } as const;

/** Every endpoint of a Service once: while slices are rearranged one can be in two of them. */
function collectEndpoints(
  slices: readonly EndpointSlice[],
  family: Family,
  matches: (port: SlicePort) => boolean,
  node: string,
): readonly Found[] {
  const found = new Map<string, Found>();
  for (const slice of slices) {
    for (const { port } of slice.ports.filter(matches)) {
      for (const { address, state, node: home } of slice.endpoints) {
        if (address.family !== family) continue;
        const endpoint = { address, port, local: home === node, state };
        const key = endpointKey(endpoint);
        const known = found.get(key);
        if (known === undefined || rank[known.state] < rank[state]) found.set(key, endpoint);
      }
    }
  }
  return [...found.values()];
}

/** Scales shares so that the largest is {@link maxWeight}; whoever has a share at all gets at least 1. */
function scaleShares(
  shares: readonly Share[],
  refusing: number,
  isDead: (key: string) => boolean,
): { readonly endpoints: WeightedEndpoint[]; readonly refused: number } {
  const alive = shares.filter((endpoint) => endpoint.share > 0 && !isDead(endpointKey(endpoint)));
  // When all are dead, the check is likelier to be wrong than every endpoint.
  const counted = alive.length > 0 ? new Set(alive) : new Set(shares);
  let largest = refusing;
  for (const { share } of counted) largest = Math.max(largest, share);
  const scale = (share: number): number => (share > 0 ? Math.max(1, Math.round((share / largest) * maxWeight)) : 0);
  const endpoints = shares.map((endpoint) => {
    const { share, ...place } = endpoint;
    return { ...place, weight: counted.has(endpoint) ? scale(share) : 0 };
  });
  return { endpoints, refused: scale(refusing) };
}

function byPlace(one: WeightedEndpoint, other: WeightedEndpoint): number {
  if (one.address.text !== other.address.text) return one.address.text < other.address.text ? -1 : 1;
  return one.port - other.port;
}

/** What a Route's author should know about its Services, one sentence each. */
export function describeBackends(demand: RouteDemand, backends: readonly ResolvedBackend[]): readonly string[] {
  return backends.flatMap((resolved) => {
    const { backend, service, slices } = resolved;
    if (service === undefined) return [`Service ${backend.service} does not exist`];
    if (service.isExternalName) return [`Service ${backend.service} is an ExternalName, which has no endpoints`];
    if (slices.length === 0) return [`Service ${backend.service} has no endpoints`];
    const selects = demand.ports.map(({ protocol }) => selectPorts(resolved, protocol, demand.targetPort));
    const hasPort = slices.some(({ ports }) => ports.some((port) => selects.some((select) => select(port))));
    return hasPort ? [] : [`Service ${backend.service} has no endpoints with the port that is asked for`];
  });
}
