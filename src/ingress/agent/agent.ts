import { BoundedFrequencyRunner } from '../../base/daemon/bounded-frequency-runner.ts';
import type { DaemonLog } from '../../base/daemon/log.ts';
import { ProblemBook } from '../../base/kubernetes/problem-book.ts';
import type { HostGuard } from '../backends/host-guard.ts';
import { GatewayReporter, type SiteDecisions } from '../gateway/gateway-status.ts';
import type { GatewaySnapshot } from '../gateway/gateways.ts';
import { type DataPlane, notApplied } from '../intent/plane.ts';
import type { Inventory } from '../objects/inventory.ts';
import type { ClusterObject, Kind } from '../objects/kinds.ts';
import type { ObjectSource, SourceSink } from '../objects/source/source.ts';
import type { Holding } from '../pools/holding.ts';
import type { AgentMetrics } from '../status/metrics.ts';
import type { AddressReports } from '../status/plan-addresses.ts';
import { ReportMerger, type StatusSink } from '../status/status.ts';
import { PlaneRunner } from './plane-runner.ts';

/** Dependencies of the agent. */
export interface AgentParts {
  readonly source: ObjectSource;
  readonly inventory: Inventory;
  readonly planes: readonly DataPlane[];
  /** The Gateways and their routes that the planes decided about. Absent: none are served. */
  readonly gateways?: () => (GatewaySnapshot & { readonly sites?: SiteDecisions }) | undefined;
  /** Returns whether an ingress node holds a virtual address. Absent: there are no virtual addresses. */
  readonly holdingOf?: (address: string) => Holding;
  /** Results of virtual addresses. Absent: there are none. */
  readonly addresses?: () => AddressReports;
  /** Addresses at which clients reach Ingresses. Absent, or undefined: not known yet. */
  readonly ingressAddresses?: () => readonly string[] | undefined;
  /** Decides about endpoints with node addresses. */
  readonly guard?: HostGuard;
  readonly status: StatusSink;
  readonly log: DaemonLog;
  readonly metrics: AgentMetrics;
}

/** Milliseconds. */
const publishing = { delay: 20, interval: 500 };

/** Publishing 10,000 objects takes tens of milliseconds; the pause after it is this many times as long. */
const publishingShare = 20;

/**
 * The agent: each data plane applies the desired state of all objects, and the results are published to their
 * authors. Until the source is complete nothing is changed, so that the state of an earlier agent stays active.
 */
export class IngressAgent implements SourceSink {
  readonly #parts: AgentParts;
  readonly #runners: readonly PlaneRunner[];
  readonly #publish: BoundedFrequencyRunner;
  readonly #problems: ProblemBook;
  readonly #merger = new ReportMerger();
  readonly #gateways = new GatewayReporter();
  readonly #refusals = new Map<string, string>();
  #isSynced = false;
  #isListed = false;

  constructor(parts: AgentParts) {
    const { log, metrics } = parts;
    this.#parts = parts;
    this.#problems = new ProblemBook(log, 'File, object, connection or check with a problem', (count) =>
      metrics.problems.set(count),
    );
    this.#publish = new BoundedFrequencyRunner(
      () => this.#runPublish(),
      publishing.delay,
      publishing.interval,
      publishingShare,
    );
    this.#runners = parts.planes.map((plane) => new PlaneRunner(plane, log, metrics, () => this.#publish.request()));
  }

  /**
   * Starts the agent.
   *
   * @param isAlone whether no other agent runs on this node; otherwise exclusive planes wait for {@link takeOver}
   */
  start(isAlone = true): void {
    for (const runner of this.#runners) if (!runner.isPaused) this.#startPlane(runner);
    if (isAlone) this.takeOver();
    this.#parts.guard?.start(() => this.#noteChange());
    this.#parts.source.start(this);
  }

  #startPlane(runner: PlaneRunner): void {
    runner.plane.start({
      requestSync: () => {
        if (this.#isSynced) runner.request();
      },
      requestSyncs: () => this.#noteChange(),
      requestReport: () => this.#publish.request(),
      report: (place, problem) => this.report(place, problem),
    });
  }

  /** Starts the exclusive planes and publishes statuses: no other agent of this node does. */
  takeOver(): void {
    for (const runner of this.#runners.filter(({ isPaused }) => isPaused)) {
      runner.resume();
      this.#startPlane(runner);
    }
    this.#noteChange();
  }

  /** Stops the exclusive planes and publishing for another agent. The applied state stays active. */
  async handOver(): Promise<void> {
    this.#publish.cancel();
    const runners = this.#runners.filter(({ plane }) => plane.isExclusive === true);
    await Promise.all(runners.map((runner) => runner.pause()));
    await Promise.all(runners.map(async ({ plane }) => plane.stop(false)));
  }

  /** Prepares {@link takeOver}. Resolves to whether it would not cause a delay now. Never rejects. */
  async prepare(): Promise<boolean> {
    if (this.obstacle !== undefined) return false;
    await this.#prepare(this.#runners.filter(({ isPaused }) => isPaused));
    return this.obstacle === undefined;
  }

  /** Why this agent should not take over yet. Undefined if everything but the exclusive planes is ready. */
  get obstacle(): string | undefined {
    if (!this.#isSynced) return this.unreadiness;
    return this.#runners.map((one) => (one.isPaused ? undefined : one.unreadiness)).find((one) => one !== undefined);
  }

  /**
   * Stops the agent. The applied state stays active unless `removes`.
   *
   * @param isOwner whether this agent may change what exclusive planes applied
   */
  async stop(removes: boolean, isOwner = true): Promise<void> {
    this.#parts.source.close();
    this.#parts.guard?.close();
    this.#publish.cancel();
    for (const runner of this.#runners) runner.stop();
    this.#parts.status.close();
    const runners = this.#runners.filter(({ isPaused }) => !isPaused || (removes && isOwner));
    await Promise.all(runners.map(async ({ plane }) => plane.stop(removes)));
  }

  /** Why the agent is not ready. Undefined if everything requested is applied. */
  get unreadiness(): string | undefined {
    if (!this.#isSynced) return `waiting for ${this.#parts.source.waitingFor ?? 'the first complete list of objects'}`;
    return this.#runners.map(({ unreadiness }) => unreadiness).find((reason) => reason !== undefined);
  }

  put(object: ClusterObject): void {
    this.#parts.inventory.put(object);
    this.#noteChange();
  }

  remove(kind: Kind, key: string): void {
    this.#parts.inventory.remove(kind, key);
    this.#noteChange();
  }

  synced(): void {
    if (this.#isListed) return;
    this.#isListed = true;
    this.#parts.log.info({}, 'All objects listed');
    const { guard } = this.#parts;
    if (guard === undefined) this.#begin();
    else void guard.settle().then(() => this.#begin());
  }

  #begin(): void {
    const waiting = this.#runners.filter(({ isPaused }) => isPaused);
    const begin = (): void => {
      this.#isSynced = true;
      this.#noteChange();
    };
    if (waiting.length === 0) begin();
    // HAProxy shares its sockets with the previous pod's, so it must know the ports of listeners when it starts.
    else void this.#prepare(waiting).then(begin);
  }

  /** Never rejects. */
  async #prepare(runners: readonly PlaneRunner[]): Promise<void> {
    for (const { plane } of runners) {
      await plane.prepare?.().catch((error: unknown) => this.report(plane.name, String(error)));
    }
  }

  /** Publishes the statuses again, because something outside the objects has changed. */
  requestReport(): void {
    if (this.#isSynced) this.#publish.request();
  }

  report(place: string, problem: string | undefined): void {
    if (this.#problems.get(place) === problem) return;
    this.#problems.report(place, problem);
    this.#publish.request();
  }

  #noteChange(): void {
    if (this.#isSynced) for (const runner of this.#runners) runner.request();
  }

  /** Runs separately from changes, because publishing 10,000 Routes takes longer than changing one. */
  #runPublish(): void {
    // A Route without a verdict of every plane would lose the status it had before a restart.
    if (!this.#runners.every(({ hasRun }) => hasRun)) return;
    const reports = this.#parts.planes.map((plane) => plane.report());
    const statuses = this.#merger.merge(reports);
    const { metrics, log } = this.#parts;
    metrics.routes.reset();
    const refusals = new Map<string, string>();
    for (const { meta, kind, listener, reason, message, isPending } of statuses) {
      metrics.routes.inc({ outcome: isPending ? 'Pending' : (reason ?? 'Admitted') });
      if (reason === undefined) continue;
      refusals.set(meta.uid, reason);
      if (this.#refusals.get(meta.uid) === reason) continue;
      const { namespace, name } = meta;
      metrics.refusals.inc({ reason });
      // Such a failure concerns every Route and is logged where it happens.
      const isRoute = kind === undefined && listener === undefined;
      const subject = kind ?? (isRoute ? 'Route' : 'Gateway');
      const what = isRoute ? { route: name } : { object: `${subject} ${name}`, ...(listener && { listener }) };
      if (reason !== notApplied) log.warn({ namespace, ...what, reason, message }, `${subject} not admitted`);
    }
    this.#refusals.clear();
    for (const [uid, reason] of refusals) this.#refusals.set(uid, reason);
    const objects = this.#parts.gateways?.();
    const verdicts = reports.flatMap((report) => report.verdicts);
    const serviceOf = (key: string) => this.#parts.inventory.get('Service', key);
    const holdingOf = this.#parts.holdingOf ?? (() => ({ state: 'waiting' }) as const);
    const gateways = objects && this.#gateways.report({ ...objects, verdicts, serviceOf, holdingOf });
    this.#parts.status.publish(
      statuses,
      gateways,
      this.#problems.lines,
      this.#parts.addresses?.(),
      this.#parts.ingressAddresses?.(),
    );
  }
}
