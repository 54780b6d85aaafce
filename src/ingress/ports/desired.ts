import { EndpointFinder, serviceKeyOf } from '../backends/endpoints.ts';
import type { HostGuard } from '../backends/host-guard.ts';
import type { AdmissionPolicy } from '../claims/policy.ts';
import { type AdmittedPorts, decidePorts, type PortAdmissions, type PortClaimant } from '../claims/ports.ts';
import { type GatewaySnapshot, ListenerRequests } from '../gateway/gateways.ts';
import type { OwnPorts } from '../gateway/site-ports.ts';
import type { PortDemand, PortRequest } from '../intent/port-request.ts';
import type { Changes, Inventory } from '../objects/inventory.ts';
import type { AddressBook } from '../pools/address-book.ts';
import { type Assignments, noAssignments } from '../pools/assign.ts';
import { isSelected } from '../route/selection.ts';
import { type DesiredState, limitEndpoints } from './endpoint-quota.ts';
import type { IngressPort } from './model.ts';
import { type PortDefaults, PortResolver } from './resolve.ts';

/** Observed state of the node and its endpoints. */
export interface NodeView {
  /** Ports that the node itself uses. A new set after every change. */
  readonly listeners: ReadonlySet<string>;
  /** Those without a current listener. */
  readonly held?: ReadonlySet<string>;
  /** Ports that rules of other programs translate. A new value after every change. */
  readonly translated?: PortClaimant;
  /** Keys of dead endpoints. A new set after every change. */
  readonly dead: ReadonlySet<string>;
  /** Addresses of all ingress nodes for Gateways. A new list after every change. */
  readonly addresses?: readonly string[];
  /** Those of this node. A new list after every change. */
  readonly ownAddresses?: readonly string[];
}

/** The last result, with the data that decides whether it is still valid. */
interface Computed extends DesiredState {
  /** Positions in `admitted` of the users of a Service, by its `NAMESPACE/NAME`. */
  readonly users: ReadonlyMap<string, readonly number[]>;
}

/** Settings of the decisions about ports. */
export interface DesiredSettings {
  readonly policy: AdmissionPolicy;
  readonly defaults: PortDefaults;
  /** Name of this node, as in EndpointSlices. */
  readonly node: string;
  /** Ports at which another data plane serves hosts of Gateways. Absent: none does. */
  readonly ownPorts?: OwnPorts;
}

/**
 * Computes the desired ports from all objects, but recomputes only what a change affects: one change among 10,000
 * Routes costs one.
 */
export class DesiredPorts {
  readonly finder: EndpointFinder;
  readonly #listenerRequests = new ListenerRequests();
  readonly #inventory: Inventory;
  readonly #settings: DesiredSettings;
  readonly #resolver: PortResolver;
  /** Ports of unchanged requests. */
  #portsOf = new Map<PortDemand, readonly IngressPort[]>();
  #computed: Computed | undefined;
  readonly #owners = new WeakMap<IngressPort, AdmittedPorts>();
  #gateways: GatewaySnapshot | undefined;
  /** The last result after the quotas were applied. */
  #limited: { readonly of: DesiredState; readonly value: DesiredState } | undefined;
  #listeners: ReadonlySet<string> | undefined;
  #translated: PortClaimant | undefined;
  #addresses: readonly string[] | undefined;
  #ownAddresses: readonly string[] | undefined;
  readonly #book: AddressBook | undefined;
  #assignments: Assignments = noAssignments;

  /** @param book virtual addresses; absent: none */
  constructor(inventory: Inventory, settings: DesiredSettings, guard?: HostGuard, book?: AddressBook) {
    this.#book = book;
    this.#inventory = inventory;
    this.#settings = settings;
    this.finder = new EndpointFinder(inventory, settings.node, guard);
    this.#resolver = new PortResolver(this.finder, settings.defaults);
  }

  /** The Gateway API objects of the last decision. Undefined before the first. */
  get gateways(): GatewaySnapshot | undefined {
    return this.#gateways;
  }

  /** Virtual addresses at the last decision. */
  get assignments(): Assignments {
    return this.#assignments;
  }

  /** Returns the owner of a port. */
  readonly ownerOf = (port: IngressPort): AdmittedPorts | undefined => this.#owners.get(port);

  /** @param changes since the last call */
  compute(changes: Changes, view: NodeView): DesiredState {
    const computed = this.#computeAll(changes, view);
    if (this.#limited?.of !== computed) {
      const quota = this.#settings.policy.namespaceQuota?.endpoints;
      this.#limited = { of: computed, value: limitEndpoints(computed, quota) };
    }
    return this.#limited.value;
  }

  #computeAll(changes: Changes, view: NodeView): DesiredState {
    const touched = new Set([...changes.of('Service'), ...this.#resolver.setDead(view.dead)]);
    this.finder.forget(touched);
    this.#resolver.forget(touched);
    const before = this.#computed;
    const stale = new Set([...touched].flatMap((service) => before?.users.get(service) ?? []));
    for (const index of stale) {
      const admitted = before?.admissions.admitted[index];
      if (admitted !== undefined) this.#portsOf.delete(admitted.demand);
    }
    const assignments = this.#book?.refresh() ?? noAssignments;
    const decides =
      assignments !== this.#assignments ||
      view.listeners !== this.#listeners ||
      view.translated !== this.#translated ||
      view.addresses !== this.#addresses ||
      view.ownAddresses !== this.#ownAddresses ||
      changes.has(
        'Route',
        'Namespace',
        'GatewayClass',
        'Gateway',
        'ListenerSet',
        'TCPRoute',
        'UDPRoute',
        'ReferenceGrant',
      );
    this.#assignments = assignments;
    const admissions = before === undefined || decides ? this.#decide(view) : before.admissions;
    if (before !== undefined && before.admissions === admissions) {
      if (stale.size === 0) return before;
      const portsOfRequests = [...before.portsOfRequests];
      for (const index of stale) {
        const admitted = admissions.admitted[index];
        if (admitted !== undefined) portsOfRequests[index] = this.#resolve(admitted);
      }
      this.#computed = { ...before, portsOfRequests };
      return this.#computed;
    }
    const known = this.#portsOf;
    this.#portsOf = new Map();
    const portsOfRequests = admissions.admitted.map((admitted) => {
      const ports = known.get(admitted.demand);
      if (ports === undefined) return this.#resolve(admitted);
      this.#portsOf.set(admitted.demand, ports);
      return ports;
    });
    this.#computed = { admissions, portsOfRequests, users: listUsers(admissions) };
    return this.#computed;
  }

  #decide(view: NodeView): PortAdmissions {
    const { listeners, held, translated, addresses = [], ownAddresses } = view;
    this.#listeners = listeners;
    this.#translated = translated;
    this.#addresses = view.addresses;
    this.#ownAddresses = view.ownAddresses;
    const { policy } = this.#settings;
    const inventory = this.#inventory;
    const labelsOf = (namespace: string) => inventory.labelsOf(namespace);
    const requests: PortRequest[] = [];
    for (const route of inventory.all('Route')) {
      if (route.ports !== undefined && isSelected(route, policy, labelsOf)) requests.push(route.ports);
    }
    const { ownPorts } = this.#settings;
    this.#gateways = {
      ...collectGatewayObjects(inventory),
      addresses,
      assignments: this.#assignments,
      className: policy.gatewayClass,
      servesSites: ownPorts !== undefined,
      ...(ownPorts !== undefined && { ownPorts }),
    };
    requests.push(...this.#listenerRequests.list(this.#gateways));
    return decidePorts(requests, {
      policy,
      listeners,
      ...(held !== undefined && { held }),
      ...(translated !== undefined && { translated }),
      ...(ownAddresses !== undefined && { ownAddresses: new Set(ownAddresses) }),
    });
  }

  #resolve(admitted: AdmittedPorts): readonly IngressPort[] {
    const { request, demand } = admitted;
    const ports = request.isClaim === true ? [] : this.#resolver.resolve(demand, request.meta.namespace);
    for (const port of ports) this.#owners.set(port, admitted);
    this.#portsOf.set(demand, ports);
    return ports;
  }
}

/** Returns the current objects of the Gateway API. */
function collectGatewayObjects(
  inventory: Inventory,
): Omit<GatewaySnapshot, 'addresses' | 'assignments' | 'className' | 'servesSites'> {
  return {
    // Lists, because an iterator can be used only once.
    classes: [...inventory.all('GatewayClass')],
    gateways: [...inventory.all('Gateway')],
    listenerSets: [...inventory.all('ListenerSet')],
    l4Routes: [...inventory.all('TCPRoute'), ...inventory.all('UDPRoute')],
    grants: [...inventory.all('ReferenceGrant')],
    labelsOfNamespace: (namespace) => inventory.labelsOf(namespace),
  };
}

function listUsers({ admitted }: PortAdmissions): ReadonlyMap<string, readonly number[]> {
  const users = new Map<string, number[]>();
  for (const [index, { request, demand }] of admitted.entries()) {
    for (const backend of demand.backends) {
      const key = serviceKeyOf(backend, request.meta.namespace);
      const list = users.get(key);
      if (list === undefined) users.set(key, [index]);
      else list.push(index);
    }
  }
  return users;
}
