import { isDeepStrictEqual } from 'node:util';
import { BoundedFrequencyRunner } from '../../base/daemon/bounded-frequency-runner.ts';
import type { DaemonLog } from '../../base/daemon/log.ts';
import type { Address } from '../../base/model/address.ts';
import { includesAddress } from '../../base/model/address-range.ts';
import type { HostGuard } from '../backends/host-guard.ts';
import { readOwnAddresses } from '../backends/own-addresses.ts';
import type { PortAdmissions } from '../claims/ports.ts';
import type { GatewaySnapshot } from '../gateway/gateways.ts';
import { type SitePorts, sitePortKey } from '../gateway/site-ports.ts';
import type { DataPlane, Pending, PlaneHost, PlaneReport } from '../intent/plane.ts';
import type { PortRequest } from '../intent/port-request.ts';
import type { Changes, Inventory, Journal } from '../objects/inventory.ts';
import type { AddressBook } from '../pools/address-book.ts';
import type { Assignments } from '../pools/assign.ts';
import type { AgentMetrics } from '../status/metrics.ts';
import type { Roster } from '../status/node-roster.ts';
import { AppliedPorts } from './applied.ts';
import { DesiredPorts, type DesiredSettings } from './desired.ts';
import type { DesiredState } from './endpoint-quota.ts';
import { GatewayAddresses } from './gateway-addresses.ts';
import { collectTargets, HealthChecks, type Probe } from './health.ts';
import { ListenerWatch } from './listeners.ts';
import { LostPorts } from './lost-ports.ts';
import type { IngressPort, IngressRules } from './model.ts';
import { listNamedDead, listNamedPorts } from './named.ts';
import { NodeWatch, type NodeWatchParts } from './node-watch.ts';
import { describeIdleness, describeOpenPort, listRemarks } from './readiness.ts';
import { Renewal } from './renewal.ts';
import { cutSlice, groupByNamespace, isSmall } from './slices.ts';
import { TrafficMetrics } from './traffic-metrics.ts';
import { listVerdicts } from './verdicts.ts';

/** Settings of the data plane. */
export interface PortSettings extends DesiredSettings {
  /** Name of the agent, part of the names of tables and chains. */
  readonly name: string;
  /** Interval between checks of endpoints whose Route sets none, in milliseconds; 0: no checks. */
  readonly checkInterval: number;
  /** Minimum interval between changes of the rules, in milliseconds. */
  readonly syncInterval: number;
  /** Addresses to serve. Absent: all of the node's. */
  readonly addresses?: IngressRules['addresses'];
  /** Addresses of Gateways. Absent: the served ones, or else the node's. */
  readonly gatewayAddresses?: IngressRules['addresses'];
}

/** Dependencies of the data plane. */
export interface PortParts extends NodeWatchParts {
  readonly inventory: Inventory;
  readonly log: DaemonLog;
  readonly metrics: AgentMetrics;
  readonly listeners?: ListenerWatch;
  readonly probe?: Probe;
  /** Decides about endpoints with node addresses. */
  readonly guard?: HostGuard;
  /** Addresses by which clients reach the node. */
  readonly nodeAddresses?: () => readonly string[];
  /** The other ingress nodes. Absent: none is known. */
  readonly roster?: Roster;
  /** Virtual addresses. Absent: none. */
  readonly book?: AddressBook;
}

/** Milliseconds. */
const times = {
  cleanUp: 200,
  cleanUpRetry: 10_000,
  check: 100,
  firewallDelay: 1000,
  firewall: 300_000,
  node: 2000,
};

/** With more ports than this, or more endpoints of one, the first load is done in slices. */
const muchAtOnce = 500;

/** The data plane of ports in the kernel: TCP, UDP and SCTP ports that Routes and Gateway listeners request. */
export class PortPlane implements DataPlane {
  readonly name = 'ports';
  /** Two agents would replace each other's tables. */
  readonly isExclusive = true;
  readonly syncInterval: number;
  readonly #settings: PortSettings;
  readonly #parts: PortParts;
  readonly #journal: Journal;
  readonly #desiredPorts: DesiredPorts;
  readonly #listeners: ListenerWatch;
  readonly #health: HealthChecks;
  readonly #check: BoundedFrequencyRunner;
  readonly #cleanUp: BoundedFrequencyRunner;
  readonly #firewall: BoundedFrequencyRunner;
  readonly #node: NodeWatch;
  #nodeTimer: NodeJS.Timeout | undefined;
  readonly #renewal: Renewal;
  #host: PlaneHost | undefined;
  #desired: DesiredState | undefined;
  readonly #applied = new AppliedPorts();
  /** Whether the kernel is known to have the applied state. Otherwise the next change rebuilds it. */
  #isSure = false;
  /** Ports of a large change that are not applied yet. */
  #waiting = 0;
  readonly #addresses: GatewayAddresses;
  #hasNewAddresses = false;
  /** Own addresses of nodes in the last decision with ports of their own. */
  #placed: { readonly of: PortAdmissions; readonly addresses: readonly Address[] } | undefined;
  /** Virtual addresses of the last rules. */
  #assignments: Assignments | undefined;
  readonly #lost = new LostPorts();
  #sitePorts: SitePorts = new Map();
  #cleaningUp: Promise<void> | undefined;
  #isStopped = false;
  /** Whether the next sync uses what {@link prepare} read. */
  #isPrepared = false;

  constructor(settings: PortSettings, parts: PortParts) {
    this.#settings = settings;
    this.syncInterval = settings.syncInterval;
    this.#parts = parts;
    this.#journal = parts.inventory.openJournal();
    this.#desiredPorts = new DesiredPorts(parts.inventory, settings, parts.guard, parts.book);
    this.#listeners = parts.listeners ?? new ListenerWatch();
    this.#health = new HealthChecks(() => this.#host?.requestSync(), parts.probe);
    this.#check = new BoundedFrequencyRunner(() => this.#updateChecks(), times.check, times.check);
    this.#cleanUp = new BoundedFrequencyRunner(() => this.#startCleanUp(), 0, times.cleanUp);
    this.#firewall = new BoundedFrequencyRunner(() => void this.#lookAtRules(), times.firewallDelay, times.firewall);
    this.#addresses = new GatewayAddresses({
      node: settings.node,
      fixed: settings.gatewayAddresses ?? settings.addresses,
      nodeAddresses: parts.nodeAddresses,
      roster: parts.roster,
      isNeeded: () => !parts.inventory.isEmpty('Gateway') || !parts.inventory.isEmpty('Ingress'),
      isVirtual: (address) => this.#isVirtual(address),
    });
    const served = settings.addresses === undefined ? {} : { servedAddresses: settings.addresses };
    const ownAddresses = () => (parts.ownAddresses ?? readOwnAddresses)().filter((one) => !this.#isVirtual(one));
    this.#node = new NodeWatch({ ...parts, ...served, ownAddresses }, (place, problem) =>
      this.#host?.report(place, problem),
    );
    this.#renewal = new Renewal({
      renew: () => this.#node.translations.during(() => parts.kernel.renew()),
      onLost: () => {
        this.#isSure = false;
        this.#host?.requestSync();
      },
      report: (problem) => this.#host?.report('rules', problem),
    });
    void new TrafficMetrics(parts.metrics.registry, {
      readTraffic: () => parts.kernel.readTraffic(),
      listPorts: () => listNamedPorts(this.#desired?.admissions),
      listDead: (limit) => listNamedDead(this.#desired, this.#health.dead, this.#desiredPorts.finder, limit),
    });
  }

  async prepare(): Promise<void> {
    await this.#node.lookAtTranslations();
    this.#refreshAddresses();
    this.#listeners.refresh();
    this.#desired = this.#computeDesired(this.#journal.take());
    this.#noteSitePorts(this.#desired.admissions);
    this.#isPrepared = true;
  }

  start(host: PlaneHost): void {
    this.#host = host;
    this.#isStopped = false;
    // A program on the node may take a port, or free one that a Route waits for.
    this.#listeners.start(() => host.requestSync());
    this.#nodeTimer = setInterval(() => {
      if (this.#node.lookAtForwarding(this.#applied.ports)) host.requestReport();
      if (this.#node.translations.isStale(false)) host.requestSync();
    }, times.node);
    this.#nodeTimer.unref();
    this.#renewal.start();
    this.#addresses.start(() => {
      this.#hasNewAddresses = true;
      host.requestSync();
    });
  }

  get unreadiness(): string | undefined {
    if (this.#waiting > 0) return `${this.#waiting} ports are not applied yet`;
    return this.#node.unreadiness ?? describeIdleness(this.#applied.ports);
  }

  /** Restrictions that authors should know although the node is ready, one line each. */
  get remarks(): readonly string[] {
    return listRemarks(this.#applied.ports);
  }

  /** Returns why connections to a port, `tcp/13306`, would be rejected here, for health checks of load balancers. */
  describePort(part: string): string | undefined {
    return describeOpenPort(this.#applied.ports, part);
  }

  /** Runs a change of other rules of this agent, after which those of other programs need not be read again. */
  duringOwnChange(change: () => void): void {
    this.#node.translations.during(change);
  }

  /** Whether this agent, and no other one of the node, applies ports. */
  get isOwner(): boolean {
    return this.#host !== undefined && !this.#isStopped;
  }

  /** Result of every request for a port. Undefined before the first sync. */
  get admissions(): PortAdmissions | undefined {
    return this.#desired?.admissions;
  }

  /** Results of the claims of ports by listeners for hosts. A new map after every change. */
  get sitePorts(): SitePorts {
    return this.#sitePorts;
  }

  #noteSitePorts({ admitted, refused }: PortAdmissions): void {
    const keyOf = ({ request: { demand } }: { readonly request: PortRequest }): string => {
      const [asked] = demand.ok ? demand.value.ports : [];
      return asked === undefined ? '' : sitePortKey(asked.port, asked.address);
    };
    const next: SitePorts = new Map([
      ...admitted.filter(isClaim).map((one) => [keyOf(one), undefined] as const),
      ...refused.filter(isClaim).map((one) => [keyOf(one), one.message] as const),
    ]);
    if (isDeepStrictEqual(next, this.#sitePorts)) return;
    this.#sitePorts = next;
    this.#host?.requestSyncs();
  }

  /** The part of each admitted request that is not applied, in the order of the admissions. */
  get pending(): readonly (Pending | undefined)[] {
    const { node } = this.#settings;
    return this.#desired === undefined
      ? []
      : this.#applied.listPending(this.#desired, this.#desiredPorts.ownerOf, node);
  }

  sync(): void | Promise<void> {
    try {
      return this.#sync()?.catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): never {
    this.#applied.fail();
    this.#addresses.announce(false);
    throw error;
  }

  #sync(): undefined | Promise<void> {
    const changes = this.#journal.take();
    const isAboutClaims =
      this.#desired === undefined ||
      this.#hasNewAddresses ||
      changes.has('Route', 'Namespace', 'Gateway', 'ListenerSet', 'GatewayClass');
    const isPrepared = this.#isPrepared;
    this.#isPrepared = false;
    if (isPrepared || !this.#node.translations.isStale(isAboutClaims)) return this.#syncPorts(changes, isAboutClaims);
    // Rules of other programs affect only claims, so changes of endpoints do not wait for them.
    const reading = this.#node.lookAtTranslations();
    if (isAboutClaims) return reading.then(() => this.#syncPorts(changes, isAboutClaims));
    void reading.then((isNew) => isNew && this.#host?.requestSync());
    return this.#syncPorts(changes, isAboutClaims);
  }

  #syncPorts(changes: Changes, isAboutClaims: boolean): undefined | Promise<void> {
    const { kernel } = this.#parts;
    const { name } = this.#settings;
    // Reading sockets is slow on a node with very many of them, and changes of endpoints do not need it.
    if (isAboutClaims) {
      this.#refreshAddresses();
      this.#listeners.refresh();
    }
    const desired = this.#computeDesired(changes);
    const before = this.#desired?.admissions;
    if (before !== desired.admissions) {
      this.#noteSitePorts(desired.admissions);
      // A program that starts to listen gets the port.
      this.#host?.report('node ports', this.#lost.follow(before, desired.admissions));
    }
    this.#desired = desired;
    const { reserved: virtual, router } = this.#desiredPorts.assignments;
    const addresses = this.#settings.addresses && [...this.#settings.addresses, ...router];
    const { admissions } = desired;
    if (this.#placed?.of !== admissions) this.#placed = { of: admissions, addresses: listPlaced(admissions) };
    const placed = this.#placed.addresses;
    const rules = {
      name,
      ...(addresses !== undefined && { addresses }),
      ...(virtual.length > 0 && { virtual }),
      ...(placed.length > 0 && { placed }),
    };
    const isFrameNew = this.#assignments !== this.#desiredPorts.assignments;
    if (isFrameNew) this.#host?.requestSyncs();
    const inForce = this.#applied.ports;
    if (!this.#isSure) {
      const ports = desired.portsOfRequests.flat();
      const isMuch = ports.length > muchAtOnce || ports.some(({ endpoints }) => endpoints.length > muchAtOnce);
      this.#assignments = this.#desiredPorts.assignments;
      if (isMuch) return kernel.load({ ...rules, ports }).then(() => this.#finish(ports, 0));
      this.#node.translations.during(() => kernel.apply({ ...rules, ports }));
      return this.#finish(ports, 0);
    }
    const all = desired.portsOfRequests.flat();
    const { ports, waiting } = isSmall(inForce, all)
      ? { ports: all, waiting: 0 }
      : cutSlice(inForce, groupByNamespace(desired));
    if (!isFrameNew && isSameList(inForce, ports)) {
      this.#applied.confirm(inForce);
      this.#addresses.announce(true);
      return undefined;
    }
    this.#isSure = false;
    this.#assignments = this.#desiredPorts.assignments;
    this.#node.translations.during(() => kernel.apply({ ...rules, ports }));
    return this.#finish(ports, waiting);
  }

  #computeDesired(changes: Changes): DesiredState {
    const { taken, held } = this.#listeners.current;
    return this.#desiredPorts.compute(changes, {
      listeners: taken,
      held,
      translated: this.#node.translations.current,
      dead: this.#health.dead,
      addresses: this.#addresses.current,
      ownAddresses: this.#addresses.own,
    });
  }

  /** Completes a sync after ports were applied. */
  #finish(ports: readonly IngressPort[], waiting: number): undefined {
    this.#applied.confirm(ports);
    this.#isSure = true;
    this.#addresses.announce(true);
    this.#waiting = waiting;
    // Other work runs in between: events, health checks, Routes of smaller namespaces.
    if (waiting > 0) this.#host?.requestSync();
    this.#cleanUp.request();
    this.#node.lookAtForwarding(ports);
    this.#check.request();
    this.#firewall.request();
  }

  /** The ports that the kernel serves. */
  get open(): readonly IngressPort[] {
    return this.#applied.ports;
  }

  /** The Gateway API objects of the last decision. Undefined before the first. */
  get gateways(): GatewaySnapshot | undefined {
    return this.#desired === undefined ? undefined : this.#desiredPorts.gateways;
  }

  /** Addresses by which clients reach the ingress nodes. A new list after every change. */
  get gatewayAddresses(): readonly string[] {
    return this.#addresses.current;
  }

  /** Virtual addresses at the last decision. */
  get assignments(): Assignments {
    return this.#desiredPorts.assignments;
  }

  /** Returns whether an address belongs to a pool, so that it is not one of this node although the node may hold it. */
  #isVirtual(address: Address): boolean {
    return includesAddress(this.#desiredPorts.assignments.ranges, address);
  }

  #refreshAddresses(): void {
    this.#hasNewAddresses = false;
    const before = this.#addresses.current;
    if (this.#addresses.refresh() !== before) this.#host?.requestSyncs();
    this.#host?.report('gateway addresses', this.#addresses.problem);
  }

  report(): PlaneReport {
    const { metrics } = this.#parts;
    const { ports } = this.#applied;
    metrics.ports.set(ports.length);
    metrics.endpoints.set(ports.reduce((sum, { endpoints }) => sum + endpoints.length, 0));
    if (this.#desired === undefined) return { verdicts: [] };
    const { finder } = this.#desiredPorts;
    const { node } = this.#settings;
    const verdicts = listVerdicts(this.#desired.admissions, {
      finder,
      node,
      portsOfRequests: this.#desired.portsOfRequests,
      pending: this.pending,
      unreadiness: this.#node.unreadiness,
    });
    return { verdicts };
  }

  /** Stops; {@link start} starts again. Resolves when nothing is changed in the kernel any more. */
  async stop(removes: boolean): Promise<void> {
    this.#isStopped = true;
    this.#listeners.close();
    clearInterval(this.#nodeTimer);
    for (const runner of [this.#check, this.#cleanUp, this.#firewall]) runner.cancel();
    this.#health.close();
    this.#renewal.stop();
    // The next agent does this work again, and waits for this one.
    this.#parts.kernel.stopCleanUp();
    await this.#cleaningUp;
    if (removes) this.#parts.kernel.remove();
    this.#parts.kernel.forget();
    this.#isSure = false;
    this.#applied.forget();
  }

  #startCleanUp(): void {
    if (this.#cleaningUp !== undefined) {
      this.#cleanUp.request(times.cleanUp);
      return;
    }
    this.#cleaningUp = this.#runCleanUp().finally(() => {
      this.#cleaningUp = undefined;
    });
  }

  /** Runs separately from changes, because checking every connection takes longer than a change. */
  async #runCleanUp(): Promise<void> {
    try {
      const next = await this.#parts.kernel.cleanUp();
      if (next !== undefined && !this.#isStopped) this.#cleanUp.request(next);
      this.#host?.report('connections', undefined);
    } catch (error) {
      if (this.#isStopped) return;
      this.#host?.report('connections', `Failed to delete stale connections; retrying: ${messageOf(error)}`);
      // The rules are applied again, which costs nothing if they are unchanged.
      this.#isSure = false;
      setTimeout(() => this.#host?.requestSync(), times.cleanUpRetry).unref();
    }
  }

  /** Runs periodically, because rules of other programs may drop what the agent accepts. */
  async #lookAtRules(): Promise<void> {
    await this.#node.lookAtRules(this.#applied.ports);
    if (!this.#isStopped) this.#firewall.request();
  }

  #updateChecks(): void {
    const { dead } = this.#health;
    const targets = collectTargets(this.#desired, this.#settings.checkInterval, dead);
    this.#health.watch(targets);
    this.#parts.metrics.deadEndpoints.set(this.#health.dead.size);
  }
}

/** Returns the own addresses of nodes with ports that are served only there. */
function listPlaced({ admitted }: PortAdmissions): readonly Address[] {
  const placed = new Map<string, Address>();
  for (const { demand, request } of admitted) {
    if (request.listener === undefined || request.isClaim === true) continue;
    for (const { address, ofNode } of demand.ports) if (ofNode && address) placed.set(address.text, address);
  }
  return [...placed.values()].sort((one, other) => (one.text < other.text ? -1 : 1));
}

function isClaim({ request }: { readonly request: PortRequest }): boolean {
  return request.isClaim === true;
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
