import { byAge } from '../claims/order.ts';
import { findTls } from './hosts.ts';
import type { IngressBackend } from './ingress.ts';
import { planPaths } from './paths.ts';
import type { Canary, HostClients, Peers } from './peers.ts';
import { hasAccessRules, listHosts, placeOf, type ReadIngress } from './translate.ts';

function hasClients({ settings: { clients } }: ReadIngress): boolean {
  return clients !== undefined && clients !== 'off';
}

/** Backends of an Ingress by host and place. */
type Places = ReadonlyMap<string, ReadonlyMap<string, IngressBackend>>;

/**
 * The Ingresses that are served, by namespace and host. Ingresses of one namespace share hosts: the oldest one owns a
 * path, and a canary takes a share of it.
 */
export class PeerIndex {
  readonly #byHost = new Map<string, Map<string, ReadIngress>>();
  readonly #places = new WeakMap<ReadIngress, Places>();

  /** Adds an Ingress. Returns the keys of those that share a host with it. */
  add(key: string, one: ReadIngress): readonly string[] {
    return this.#listPlaces(one).flatMap((place) => {
      const peers = this.#byHost.get(place) ?? new Map<string, ReadIngress>();
      this.#byHost.set(place, peers.set(key, one));
      return [...peers.keys()];
    });
  }

  /** Removes an Ingress. Returns the keys of those that shared a host with it. */
  remove(key: string, one: ReadIngress): readonly string[] {
    return this.#listPlaces(one).flatMap((place) => {
      const peers = this.#byHost.get(place);
      peers?.delete(key);
      if (peers?.size === 0) this.#byHost.delete(place);
      return [...(peers?.keys() ?? [])];
    });
  }

  /** Returns the others that share a host with an Ingress, oldest first. */
  listPeers(one: ReadIngress): readonly ReadIngress[] {
    const peers = new Set(this.#listPlaces(one).flatMap((place) => [...(this.#byHost.get(place)?.values() ?? [])]));
    peers.delete(one);
    return [...peers].sort((a, b) => byAge(a.ingress, b.ingress));
  }

  /** @param peers of the Ingress, from {@link listPeers} */
  viewOf(one: ReadIngress, peers: readonly ReadIngress[]): Peers {
    const mains = peers.filter(({ settings }) => settings.canary === undefined);
    const all = one.settings.canary === undefined ? [...mains, one] : mains;
    // Most hosts have none.
    const verified = all.some(hasClients) ? all.toSorted((a, b) => byAge(a.ingress, b.ingress)) : [];
    const older = mains.filter((peer) => byAge(peer.ingress, one.ingress) < 0);
    return {
      ownerOf: (host, place) => older.find((peer) => this.#backendOf(peer, host, place))?.ingress.meta.name,
      canaryOf: (host, place): Canary | undefined => {
        for (const { ingress, settings, ...rest } of peers) {
          const backend = settings.canary && this.#backendOf({ ingress, settings, ...rest }, host, place);
          if (settings.canary === undefined || backend === undefined) continue;
          return { name: ingress.meta.name, backend, settings: settings.canary };
        }
        return undefined;
      },
      clientsOf: (host): HostClients | undefined => {
        const named = verified.filter((each) => this.#placesOf(each).has(host));
        const decider = named.find(hasClients);
        const { clients, passthrough } = decider?.settings ?? {};
        if (decider === undefined || clients === undefined || clients === 'off') return undefined;
        const hasTls = named.some(({ ingress: { spec } }) => spec.ok && findTls(spec.value, host) !== undefined);
        const { name, namespace } = decider.ingress.meta;
        return { name, namespace, clients, hasTls, isPassed: passthrough === true };
      },
      hasHost: (host) =>
        [...(this.#byHost.get(`${one.ingress.meta.namespace} ${host}`)?.values() ?? [])].some((peer) => peer !== one),
    };
  }

  #backendOf(one: ReadIngress, host: string, place: string): IngressBackend | undefined {
    return this.#placesOf(one).get(host)?.get(place);
  }

  #placesOf(one: ReadIngress): Places {
    const known = this.#places.get(one);
    if (known !== undefined) return known;
    const { ingress, settings } = one;
    const hosts = ingress.spec.ok ? listHosts(ingress.spec.value) : new Map<string, never[]>();
    const places = new Map(
      Array.from(hosts, ([host, paths]) => {
        const planned = paths.flatMap((path) => planPaths(path, settings).map((plan) => ({ path, plan })));
        const owned = planned.filter(({ plan }) => plan.isUnservable !== true || hasAccessRules(settings));
        return [host, new Map(owned.map(({ path, plan }) => [placeOf(plan.match), path.backend]))] as const;
      }),
    );
    this.#places.set(one, places);
    return places;
  }

  /** Returns `NAMESPACE HOST` of the hosts of an Ingress. */
  #listPlaces(one: ReadIngress): readonly string[] {
    const { namespace } = one.ingress.meta;
    return Array.from(this.#placesOf(one).keys(), (host) => `${namespace} ${host}`);
  }
}
