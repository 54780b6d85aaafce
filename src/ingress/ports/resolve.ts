import type { Family } from '../../base/model/address.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import { type EndpointFinder, endpointKey, serviceKeyOf, usedState } from '../backends/endpoints.ts';
import type { PortDemand } from '../intent/port-request.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { Balance, IngressPort, WeightedEndpoint } from './model.ts';

/** Defaults for Routes without the annotation. */
export interface PortDefaults {
  readonly balance: Balance;
  /** Milliseconds. Absent: the kernel's timeout. */
  readonly idleTimeout?: number;
}

/** Maximum weight of an endpoint, as in HAProxy. */
const maxWeight = 256;

interface Targets extends Pick<IngressPort, 'endpoints' | 'refused'> {
  /** The Services that the targets depend on. */
  readonly services: readonly string[];
}

/**
 * Resolves admitted requests to ports. Requests with the same backends share one list of endpoints, so 3,000 Routes
 * on one Service with 1,000 endpoints need memory for 1,000.
 */
export class PortResolver {
  readonly #finder: EndpointFinder;
  readonly #defaults: PortDefaults;
  /** Targets by their Services, then by request. */
  readonly #targets = new Map<string, Targets>();
  /** Keys in `#targets` by Service. */
  readonly #users = new Map<string, Set<string>>();
  #dead: ReadonlySet<string> = new Set();

  constructor(finder: EndpointFinder, defaults: PortDefaults) {
    this.#finder = finder;
    this.#defaults = defaults;
  }

  /** Discards what depends on changed Services (`NAMESPACE/NAME`). */
  forget(services: Iterable<string>): void {
    for (const service of services) {
      for (const key of this.#users.get(service) ?? []) this.#targets.delete(key);
      this.#users.delete(service);
    }
  }

  /**
   * Sets the dead TCP endpoints by {@link endpointKey}. Returns the affected Services, whose results must still be
   * discarded.
   */
  setDead(dead: ReadonlySet<string>): ReadonlySet<string> {
    const services = new Set<string>();
    if (dead === this.#dead) return services;
    const changed = dead.symmetricDifference(this.#dead);
    this.#dead = dead;
    // Compares addresses first, because building the keys of all endpoints is the most expensive part.
    const addresses = new Set(Array.from(changed, (key) => key.slice(0, key.indexOf(' '))));
    for (const { endpoints, services: mine } of this.#targets.values()) {
      const concerns = endpoints.some((one) => addresses.has(one.address.text) && changed.has(endpointKey(one)));
      if (concerns) for (const service of mine) services.add(service);
    }
    return services;
  }

  /**
   * Returns the ports of one request with all their endpoints. An existing endpoint that must get no new connections
   * (not ready, terminating, dead, or of a backend with weight 0) is included with weight 0, so that its connections
   * continue. A removed endpoint is not included.
   *
   * @param home namespace of the requesting object
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
    // Clients of one family see only its endpoints, so weights apply within each family.
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
          // Two Services may select the same pod, which then gets both shares.
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

/** Only round robin preserves weights between Services, as in OpenShift. */
function defaultBalance(backends: readonly ServiceShare[], defaults: PortDefaults): Balance {
  return backends.filter(({ weight }) => weight > 0).length > 1 ? 'roundrobin' : defaults.balance;
}

/** Returns whether an unusable backend keeps its share of connections and rejects them (Gateway API, BackendRef). */
function isRefusing(backend: ServiceShare, protocol: Protocol, home: string, finder: EndpointFinder): boolean {
  if (backend.isForbidden === true) return true;
  const { servicePort } = backend;
  if (servicePort === undefined) return false;
  const ports = finder.serviceOf(backend, home)?.ports ?? [];
  return !ports.some((one) => one.port === servicePort && one.protocol === protocol);
}

/** An endpoint with its share of its Service's weight, before scaling. */
interface Share extends Omit<WeightedEndpoint, 'weight'> {
  readonly share: number;
}

/** Scales shares so that the largest is {@link maxWeight}. Every share above zero gets at least 1. */
function scaleShares(
  shares: readonly Share[],
  refusing: number,
  isDead: (key: string) => boolean,
): { readonly endpoints: WeightedEndpoint[]; readonly refused: number } {
  const alive = shares.filter((endpoint) => endpoint.share > 0 && !isDead(endpointKey(endpoint)));
  // If all are dead, the check is more likely to be wrong than every endpoint.
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
