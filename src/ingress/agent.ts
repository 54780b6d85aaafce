import { Pacer } from '../daemon/bounded-frequency-runner.ts';
import type { AgentLog } from '../daemon/log.ts';
import { readNftables } from '../firewall/nftables.ts';
import type { IngressPort, IngressRules } from '../model/ingress.ts';
import { describeBackends, type RouteDefaults } from './backends/resolve.ts';
import type { Admissions } from './claims/claims.ts';
import type { AdmissionPolicy } from './claims/policy.ts';
import { type GatewayReports, reportGateways } from './gateway/gateway-status.ts';
import type { AgentMetrics } from './metrics.ts';
import { Inventory } from './objects/inventory.ts';
import type { AgentKind, AgentObject } from './objects/objects.ts';
import type { ObjectSource, SourceSink } from './objects/source/source.ts';
import type { IngressDataPlane } from './ports/data-plane.ts';
import { backendsOf, type Desired, RuleBook } from './ports/desired.ts';
import { describeFirewall } from './ports/firewall.ts';
import { type CheckTarget, HealthChecks, listTargets, type Probe } from './ports/health.ts';
import { ListenerWatch } from './ports/listeners.ts';
import { listStatuses, type RouteStatus, type StatusSink } from './status/status.ts';

/** How one agent works. */
export interface AgentSettings {
  /** Part of every table's and chain's name. */
  readonly name: string;
  /** This node's name, as EndpointSlices write it. */
  readonly node: string;
  readonly policy: AdmissionPolicy;
  readonly defaults: RouteDefaults;
  /** Milliseconds between two changes of the rules, at least. */
  readonly syncInterval: number;
  /** Milliseconds between two checks of an endpoint whose Route says nothing; 0: such are not checked. */
  readonly checkInterval: number;
  /** Addresses that are served; absent: all of the node's. */
  readonly addresses?: IngressRules['addresses'];
}

/** What an agent works with. */
export interface AgentParts {
  readonly source: ObjectSource;
  readonly dataPlane: IngressDataPlane;
  readonly status: StatusSink;
  readonly log: AgentLog;
  readonly metrics: AgentMetrics;
  readonly listeners?: ListenerWatch;
  readonly probe?: Probe;
}

/** Milliseconds. */
const pace = {
  tendInterval: 200,
  statusDelay: 20,
  statusInterval: 500,
  healthDelay: 100,
  firewallDelay: 1000,
  firewalls: 300_000,
  listeners: 10_000,
  freshListeners: 1000,
};
const firstRetry = 200;
const lastRetry = 10_000;

/**
 * The agent: whatever happens, it computes what the whole of the objects demands, puts the difference
 * in force in one go, and tells the Routes' authors. Until the source has told everything once it
 * touches nothing, so that what an earlier agent left stays in force.
 */
export class IngressAgent implements SourceSink {
  readonly #settings: AgentSettings;
  readonly #parts: AgentParts;
  readonly #inventory = new Inventory();
  readonly #book: RuleBook;
  readonly #listeners: ListenerWatch;
  readonly #health: HealthChecks;
  readonly #sync: Pacer;
  readonly #publish: Pacer;
  readonly #check: Pacer;
  readonly #tend: Pacer;
  readonly #firewall: Pacer;
  readonly #problems = new Map<string, string>();
  readonly #refusals = new Map<string, string>();
  #desired: Desired | undefined;
  #ports: readonly IngressPort[] | undefined;
  #claimsVersion: number | undefined;
  #isSynced = false;
  #isTending = false;
  #isStopped = false;
  #failures = 0;
  #changedAt: number | undefined;
  #listenerTimer: NodeJS.Timeout | undefined;

  constructor(settings: AgentSettings, parts: AgentParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#book = new RuleBook(settings.policy, settings.defaults, settings.node);
    this.#listeners = parts.listeners ?? new ListenerWatch();
    this.#health = new HealthChecks(() => this.#noteChange(), parts.probe);
    this.#sync = new Pacer(() => this.#runSync(), 0, settings.syncInterval);
    this.#publish = new Pacer(() => this.#runPublish(), pace.statusDelay, pace.statusInterval);
    this.#tend = new Pacer(() => void this.#runTend(), 0, pace.tendInterval);
    this.#firewall = new Pacer(() => void this.#runFirewall(), pace.firewallDelay, pace.firewalls);
    this.#check = new Pacer(() => this.#runCheck(), pace.healthDelay, pace.healthDelay);
  }

  start(): void {
    this.#listenerTimer = setInterval(() => this.#noteListeners(), pace.listeners);
    this.#parts.source.start(this);
  }

  /** Stops; the rules stay in force unless `removeRules`. */
  stop(removeRules: boolean): void {
    this.#isStopped = true;
    this.#parts.source.close();
    clearInterval(this.#listenerTimer);
    for (const pacer of [this.#sync, this.#publish, this.#check, this.#tend, this.#firewall]) pacer.cancel();
    this.#health.close();
    this.#parts.status.close();
    if (removeRules) this.#parts.dataPlane.remove();
  }

  /** Why the agent is not ready, in words; undefined when its rules are in force. */
  get unreadiness(): string | undefined {
    if (!this.#isSynced) return 'the source has not told everything yet';
    if (this.#failures > 0) return 'the rules could not be put in force';
    return this.#ports === undefined ? 'the rules are not in force yet' : undefined;
  }

  /** What became of every claim of a port; undefined before the first list. */
  get admissions(): Admissions | undefined {
    return this.#desired?.admissions;
  }

  put(object: AgentObject): void {
    this.#inventory.put(object);
    this.#noteChange();
  }

  remove(kind: AgentKind, key: string): void {
    this.#inventory.remove(kind, key);
    this.#noteChange();
  }

  synced(): void {
    if (this.#isSynced) return;
    this.#isSynced = true;
    // Nothing could be done about what came before.
    this.#changedAt = performance.now();
    this.#parts.log.info({}, 'The source has told everything once');
    this.#noteChange();
  }

  report(place: string, problem: string | undefined): void {
    if (this.#problems.get(place) === problem) return;
    if (problem === undefined) {
      this.#problems.delete(place);
      this.#parts.log.info({ place }, 'A problem of the source is over');
    } else {
      this.#problems.set(place, problem);
      this.#parts.log.warn({ place, problem }, 'The source has a problem');
    }
    this.#parts.metrics.problems.set(this.#problems.size);
  }

  #noteChange(): void {
    this.#changedAt ??= performance.now();
    // Something new may be the cure, but must not make a kernel that refuses be asked without end.
    if (this.#isSynced) this.#sync.request(this.#failures > 0 ? firstRetry : 0);
  }

  /** A program on the node may have taken a port, or freed one that a Route waits for. */
  #noteListeners(): void {
    const before = this.#listeners.get(Number.POSITIVE_INFINITY);
    if (this.#listeners.get(0) !== before) this.#noteChange();
  }

  #runSync(): void {
    const { dataPlane, metrics, log } = this.#parts;
    const { name, addresses } = this.#settings;
    const changedAt = this.#changedAt;
    this.#changedAt = undefined;
    try {
      // On a node with very many sockets it takes a while to look; endpoints that change need no look.
      const { claimsVersion } = this.#inventory;
      const age = claimsVersion === this.#claimsVersion ? Number.POSITIVE_INFINITY : pace.freshListeners;
      this.#claimsVersion = claimsVersion;
      const view = { listeners: this.#listeners.get(age), dead: this.#health.dead };
      const desired = this.#book.compute(this.#inventory, view);
      const ports = desired.portsOfRoutes.flat();
      if (this.#ports === undefined || !isSameList(this.#ports, ports)) {
        dataPlane.apply({ name, ports, ...(addresses !== undefined && { addresses }) });
        if (changedAt !== undefined) metrics.delay.observe((performance.now() - changedAt) / 1000);
        this.#tend.request();
      }
      this.#ports = ports;
      this.#desired = desired;
      if (this.#failures > 0) log.info({ failures: this.#failures }, 'The rules are in force again');
      this.#failures = 0;
      metrics.syncs.inc({ outcome: 'success' });
    } catch (error) {
      this.#failures++;
      this.#changedAt = changedAt;
      const wait = Math.min(lastRetry, firstRetry * 2 ** (this.#failures - 1));
      log.error({ err: error, failures: this.#failures, retryMilliseconds: wait }, 'Cannot put the rules in force');
      metrics.syncs.inc({ outcome: 'failure' });
      this.#sync.request(wait);
      return;
    }
    this.#publish.request();
    this.#check.request();
    this.#firewall.request();
  }

  /** Off the way of the rules, too: looking at every connection takes longer than a change. */
  async #runTend(): Promise<void> {
    if (this.#isTending) return this.#tend.request(pace.tendInterval);
    this.#isTending = true;
    try {
      const next = await this.#parts.dataPlane.tend();
      if (next !== undefined && !this.#isStopped) this.#tend.request(next);
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'Cannot tidy up after a change of the rules; trying again');
      if (this.#isStopped) return;
      // Has the rules put in force again, which costs nothing where they are.
      this.#ports = undefined;
      this.#sync.request(lastRetry);
    } finally {
      this.#isTending = false;
    }
  }

  /** Off the way of the rules: of 10,000 Routes this takes longer than a change of one. */
  #runPublish(): void {
    const { admitted } = this.#desired?.admissions ?? {};
    if (this.#desired === undefined || admitted === undefined) return;
    const statuses = listStatuses(this.#desired.admissions, (index) => {
      const route = admitted[index];
      return route === undefined ? [] : describeBackends(route.demand, backendsOf(route, this.#inventory));
    });
    this.#noteRefusals(statuses);
    this.#count(statuses);
    this.#parts.status.publish(statuses, this.#reportGateways(this.#desired.admissions));
  }

  /** Now and then: others may drop what the agent accepts, and nobody else would tell why. */
  async #runFirewall(): Promise<void> {
    const listing = await this.#parts.dataPlane.listForeignTables();
    if (this.#isStopped || listing === undefined) return;
    this.report('firewall', describeFirewall(readNftables(listing).tables, this.#ports ?? []));
    this.#firewall.request();
  }

  #reportGateways(admissions: Admissions): GatewayReports | undefined {
    const { gatewayClass: className } = this.#settings.policy;
    if (className === undefined) return undefined;
    const inventory = this.#inventory;
    return reportGateways({
      className,
      admissions,
      gateways: inventory.gateways,
      streamRoutes: inventory.streamRoutes,
      grants: inventory.grants,
      labelsOfNamespace: (namespace) => inventory.labelsOf(namespace),
      hasService: (key) => inventory.service(key) !== undefined,
    });
  }

  #noteRefusals(statuses: readonly RouteStatus[]): void {
    const now = new Map<string, string>();
    for (const { meta, reason, message } of statuses) {
      if (reason === undefined) continue;
      now.set(meta.uid, reason);
      if (this.#refusals.get(meta.uid) === reason) continue;
      const { namespace, name } = meta;
      this.#parts.metrics.refusals.inc({ reason });
      this.#parts.log.warn({ namespace, route: name, reason, message }, 'A Route is not admitted');
    }
    this.#refusals.clear();
    for (const [uid, reason] of now) this.#refusals.set(uid, reason);
  }

  #count(statuses: readonly RouteStatus[]): void {
    const { metrics } = this.#parts;
    metrics.routes.reset();
    for (const { reason } of statuses) metrics.routes.inc({ outcome: reason ?? 'Admitted' });
    metrics.ports.set(this.#ports?.length ?? 0);
    metrics.endpoints.set(this.#ports?.reduce((sum, { endpoints }) => sum + endpoints.length, 0) ?? 0);
  }

  #runCheck(): void {
    const targets = new Map<string, CheckTarget>();
    for (const [index, { demand }] of this.#desired?.admissions.admitted.entries() ?? []) {
      const interval = demand.checkInterval ?? this.#settings.checkInterval;
      if (interval === 0) continue;
      for (const [key, target] of listTargets(this.#desired?.portsOfRoutes[index] ?? [], interval, this.#health.dead)) {
        const known = targets.get(key);
        if (known === undefined || target.interval < known.interval) targets.set(key, target);
      }
    }
    this.#health.watch(targets);
    this.#parts.metrics.deadEndpoints.set(this.#health.dead.size);
  }
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}
