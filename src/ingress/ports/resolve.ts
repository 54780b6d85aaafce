import type { Family } from '../../base/model/address.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import { type EndpointFinder, endpointKey, serviceKeyOf, usedState } from '../backends/endpoints.ts';
import type { PortDemand } from '../intent/port-request.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { Balance, IngressPort, WeightedEndpoint } from './model.ts';

/** What the router does where a Route says nothing. */
export interface PortDefaults {
  readonly balance: Balance;
  /** Milliseconds; absent: the kernel's. */
  readonly idleTimeout?: number;
}

/** The largest weight of an endpoint: HAProxy's. */
const maxWeight = 256;

interface Targets extends Pick<IngressPort, 'endpoints' | 'refused'> {
  /** The Services that they are made of. */
  readonly services: readonly string[];
}

/**
 * Works out the ports of admitted requests. Requests with the same backends share one list of
 * endpoints, so that 3,000 Routes on one Service of 1,000 endpoints cost memory for 1,000.
 */
export class PortResolver {
  readonly #finder: EndpointFinder;
  readonly #defaults: PortDefaults;
  /** Lists by the Services they are made of, then by what was asked. */
  readonly #targets = new Map<string, Targets>();
  /** Keys in `#targets` by Service. */
  readonly #users = new Map<string, Set<string>>();
  #dead: ReadonlySet<string> = new Set();

  constructor(finder: EndpointFinder, defaults: PortDefaults) {
    this.#finder = finder;
    this.#defaults = defaults;
  }

  /** Forgets what depends on Services (`NAMESPACE/NAME`) that changed. */
  forget(services: Iterable<string>): void {
    for (const service of services) {
      for (const key of this.#users.get(service) ?? []) this.#targets.delete(key);
      this.#users.delete(service);
    }
  }

  /**
   * Sets which endpoints of TCP are dead, by {@link endpointKey}. Returns the Services that are concerned;
   * what depends on them still has to be forgotten.
   */
  setDead(dead: ReadonlySet<string>): ReadonlySet<string> {
    const services = new Set<string>();
    if (dead === this.#dead) return services;
    const changed = dead.symmetricDifference(this.#dead);
    this.#dead = dead;
    // Their addresses first: to write the keys of all endpoints takes longer than all the rest.
    const addresses = new Set(Array.from(changed, (key) => key.slice(0, key.indexOf(' '))));
    for (const { endpoints, services: mine } of this.#targets.values()) {
      const concerns = endpoints.some((one) => addresses.has(one.address.text) && changed.has(endpointKey(one)));
      if (concerns) for (const service of mine) services.add(service);
    }
    return services;
  }

  /**
   * The ports of one request with all their endpoints. An endpoint that exists but must get no new
   * connections (not ready, terminating, dead, of a backend of weight 0) is there with weight 0, so that
   * its connections can go on; one that is gone is not there.
   *
   * @param home namespace of who asks
   */
  resolve(demand: PortDemand, home: string): readonly IngressPort[] {
    const { idleTimeout = this.#defaults.idleTimeout, allowed, limits, backends } = demand;
    const isLocalOnly = backends.some((backend) => this.#finder.serviceOf(backend, home)?.localOnly === true);
    return demand.ports.map((asked): IngressPort => {
      const { endpoints, refused } = this.#find(asked.protocol, demand, home);
      return {
        ...asked,
        endpoints,
        ...(refused !== undefined && { refused }),
        balance: demand.balance ?? defaultBalance(backends, this.#defaults),
        limits,
        ...(allowed !== undefined && { allowed }),
        ...(idleTimeout !== undefined && { idleTimeout }),
        ...(isLocalOnly && { localOnly: true }),
      };
    });
  }

  #find(protocol: Protocol, { backends, targetPort }: PortDemand, home: string): Targets {
    const key = JSON.stringify([protocol, home, targetPort, backends]);
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    const services = backends.map((backend) => serviceKeyOf(backend, home));
    const targets = { ...this.#compute(protocol, backends, targetPort, home), services };
    this.#targets.set(key, targets);
    for (const service of services) {
      const users = this.#users.get(service);
      if (users === undefined) this.#users.set(service, new Set([key]));
      else users.add(key);
    }
    return targets;
  }

  #compute(
    protocol: Protocol,
    backends: readonly ServiceShare[],
    targetPort: string | number | undefined,
    home: string,
  ): Omit<Targets, 'services'> {
    const isDead = protocol === 'tcp' ? (key: string) => this.#dead.has(key) : () => false;
    const choice = { protocol, ...(targetPort !== undefined && { targetPort }) };
    const found = backends.map((backend) => ({ backend, all: this.#finder.find(backend, home, choice) }));
    // Clients of one family see its endpoints only, so weights hold within each.
    const refusing = backends
      .filter((backend) => isRefusing(backend, protocol, home, this.#finder))
      .reduce((sum, { weight }) => sum + weight, 0);
    const refused: Partial<Record<Family, number>> = {};
    const endpoints = ([4, 6] as const).flatMap((family) => {
      const shares = new Map<string, Share>();
      for (const { backend, all } of found) {
        const ofFamily = all.filter(({ address }) => address.family === family);
        const used = usedState(ofFamily);
        const active = ofFamily.filter(({ state }) => state === used).length;
        for (const { address, port, local, state } of ofFamily) {
          const key = endpointKey({ address, port });
          const share = state === used ? backend.weight / active : 0;
          // Two Services can choose the same pod: it gets the share of both.
          shares.set(key, { address, port, local, share: share + (shares.get(key)?.share ?? 0) });
        }
      }
      const scaled = scaleShares([...shares.values()], refusing, isDead);
      if (scaled.refused > 0) refused[family] = scaled.refused;
      return scaled.endpoints;
    });
    return { endpoints: endpoints.sort(byPlace), ...(refusing > 0 && { refused }) };
  }
}

/** Turns are the only way to keep weights between Services, as in OpenShift. */
function defaultBalance(backends: readonly ServiceShare[], defaults: PortDefaults): Balance {
  return backends.filter(({ weight }) => weight > 0).length > 1 ? 'roundrobin' : defaults.balance;
}

/** Whether a backend that cannot be used keeps its share of connections, and refuses them (Gateway API, BackendRef). */
function isRefusing(backend: ServiceShare, protocol: Protocol, home: string, finder: EndpointFinder): boolean {
  if (backend.isForbidden === true) return true;
  const { servicePort } = backend;
  if (servicePort === undefined) return false;
  const ports = finder.serviceOf(backend, home)?.ports ?? [];
  return !ports.some((one) => one.port === servicePort && one.protocol === protocol);
}

/** An endpoint with the share of its Service's weight, before scaling. */
interface Share extends Omit<WeightedEndpoint, 'weight'> {
  readonly share: number;
}

/** Scales shares so that the largest is {@link maxWeight}; every share above zero gets at least 1. */
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
