import type { Address, Prefix } from '../../base/model/address.ts';
import { lastAddressOf, networkOf } from '../../base/model/address.ts';
import { type AddressRange, includesAddress, rangeOf } from '../../base/model/address-range.ts';
import { keyOf } from '../../base/read/object-meta.ts';
import { parseGatewayAddresses } from '../gateway/addresses.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { chooseClasses } from '../gateway/gateway-classes.ts';
import type { Changes, Inventory, Journal } from '../objects/inventory.ts';
import type { Service } from '../objects/service.ts';
import { type AddressClaim, type Assignments, assignAddresses, type ForeignRange, noAssignments } from './assign.ts';
import { type AddressPool, rangesOf } from './pool.ts';

/** Settings of virtual addresses. */
export interface AddressSettings {
  /** Pools from the command line, besides those of the cluster. */
  readonly pools: readonly AddressPool[];
  /** Addresses of the router of Routes. */
  readonly router: readonly Address[];
  /** The only class of Gateways that is served. Absent: every class of this controller. */
  readonly gatewayClass?: string;
  /** `loadBalancerClass` of the Services that get addresses. */
  readonly balancerClass: string;
}

/** The parts of a Service that concern addresses. */
interface ServiceView {
  readonly claim?: AddressClaim;
  /** Its cluster addresses that are inside pools by mistake of the administrator. */
  readonly foreign: readonly Address[];
}

/**
 * The virtual addresses of all objects, shared by the data planes. Recomputes them only when something relevant
 * has changed; changes of endpoints cost nothing.
 */
export class AddressBook {
  readonly #inventory: Inventory;
  readonly #settings: AddressSettings;
  readonly #journal: Journal;
  #services: Map<string, ServiceView> | undefined;
  #current: Assignments = noAssignments;
  #digest = '';

  constructor(inventory: Inventory, settings: AddressSettings) {
    this.#inventory = inventory;
    this.#settings = settings;
    this.#journal = inventory.openJournal();
  }

  /** The result of the last {@link refresh}. */
  get current(): Assignments {
    return this.#current;
  }

  /** Returns the assignments for the current objects: the same value until they change. */
  refresh(): Assignments {
    const changes = this.#journal.take();
    const pools = [...this.#settings.pools, ...this.#inventory.all('IngressAddressPool')];
    if (pools.length === 0 && this.#settings.router.length === 0) {
      this.#services = undefined;
      this.#current = noAssignments;
      this.#digest = '';
      return this.#current;
    }
    const isStale =
      this.#refreshServices(pools, changes) ||
      changes.has('IngressAddressPool', 'Gateway', 'GatewayClass', 'Namespace', 'Node');
    if (!isStale) return this.#current;
    const next = assignAddresses({
      pools,
      claims: [...this.#listGatewayClaims(), ...this.#listServiceClaims()],
      router: this.#settings.router,
      foreign: this.#listForeign(),
      labelsOf: (namespace) => this.#inventory.labelsOf(namespace),
    });
    const digest = digestOf(next);
    if (digest === this.#digest) return this.#current;
    this.#digest = digest;
    this.#current = next;
    return next;
  }

  /** Returns whether a Service that concerns addresses has changed. */
  #refreshServices(pools: readonly AddressPool[], changes: Changes): boolean {
    const ranges = pools.flatMap(rangesOf);
    if (this.#services === undefined || changes.has('IngressAddressPool')) {
      this.#services = new Map();
      for (const service of this.#inventory.all('Service')) {
        const view = this.#viewService(service, ranges);
        if (view !== undefined) this.#services.set(keyOf(service.meta), view);
      }
      return true;
    }
    let isStale = false;
    for (const key of changes.of('Service')) {
      const service = this.#inventory.get('Service', key);
      const view = service && this.#viewService(service, ranges);
      const known = this.#services.get(key);
      if (JSON.stringify(view) === JSON.stringify(known)) continue;
      isStale = true;
      if (view === undefined) this.#services.delete(key);
      else this.#services.set(key, view);
    }
    return isStale;
  }

  #viewService(service: Service, ranges: readonly AddressRange[]): ServiceView | undefined {
    const { meta, balancer, clusterAddresses } = service;
    const foreign = clusterAddresses.filter((address) => includesAddress(ranges, address));
    const isOurs = balancer?.className === this.#settings.balancerClass;
    if (!isOurs && foreign.length === 0) return undefined;
    if (balancer === undefined || !isOurs) return { foreign };
    const { asked, families, recorded, pool } = balancer;
    const claim: AddressClaim = {
      kind: 'Service',
      meta,
      asked: asked === undefined ? [] : [asked],
      families: families.filter((family) => family !== asked?.family),
      recorded,
      ...(pool !== undefined && { pool }),
    };
    return { claim, foreign };
  }

  #listServiceClaims(): readonly AddressClaim[] {
    return Array.from(this.#services?.values() ?? []).flatMap(({ claim }) => claim ?? []);
  }

  #listGatewayClaims(): readonly AddressClaim[] {
    const isServed = chooseClasses([...this.#inventory.all('GatewayClass')], this.#settings.gatewayClass);
    const claims: AddressClaim[] = [];
    for (const gateway of this.#inventory.all('Gateway')) {
      if (!isServed(gateway.className) || gateway.hasParameters) continue;
      const claim = claimOf(gateway);
      if (claim !== undefined) claims.push(claim);
    }
    return claims;
  }

  #listForeign(): readonly ForeignRange[] {
    const foreign: ForeignRange[] = [];
    for (const { meta, addresses, podNetworks } of this.#inventory.all('Node')) {
      foreign.push(...addresses.map((address) => ({ range: rangeOf(address), what: `node ${meta.name}` })));
      foreign.push(...podNetworks.map((network) => ({ range: rangeOfNetwork(network), what: 'pods of a node' })));
    }
    for (const view of this.#services?.values() ?? []) {
      foreign.push(...view.foreign.map((address) => ({ range: rangeOf(address), what: 'a Service in the cluster' })));
    }
    return foreign;
  }
}

/** Returns the claim of a Gateway, or undefined if it requests anything but IP addresses. */
function claimOf({ meta, addresses, recorded }: Gateway): AddressClaim | undefined {
  const read = parseGatewayAddresses(addresses);
  if ('refusal' in read) return undefined;
  const { asked, isAny } = read;
  const families = isAny ? ([4, 6] as const).filter((family) => !asked.some((one) => one.family === family)) : [];
  return { kind: 'Gateway', meta, asked, families, recorded };
}

function rangeOfNetwork(network: Prefix): AddressRange {
  const first = rangeOf(networkOf(network).address);
  return { ...first, last: rangeOf(lastAddressOf(network)).last };
}

/** Returns a key of an assignment: equal keys for assignments that readers cannot distinguish. */
function digestOf({ ranges, router, owners, claims, pools, problems }: Assignments): string {
  const write = (list: readonly AddressRange[]) => list.map(({ family, first, last }) => `${family} ${first}-${last}`);
  return JSON.stringify([
    write(ranges),
    router.map(({ text }) => text),
    Array.from(owners, ([text, { kind, meta, pool }]) => [text, kind, meta?.uid, meta?.name, pool.meta]),
    Array.from(claims, ([uid, { addresses, refusal }]) => [uid, addresses.map(({ text }) => text), refusal]),
    pools.map(({ pool, assigned, free, problems: own }) => [pool, assigned, free, own]),
    problems,
  ]);
}
