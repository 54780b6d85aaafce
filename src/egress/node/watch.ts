import type { DaemonLog } from '../../base/daemon/log.ts';
import { sharedTimers } from '../../base/daemon/shared-timers.ts';
import type { EventRecorder, EventWords } from '../../base/kubernetes/events.ts';
import { ProblemBook } from '../../base/kubernetes/problem-book.ts';
import type { AttachmentState } from '../model/state.ts';
import { AddressKeeper, type KeeperParts } from './address-keeper.ts';
import { Closure } from './closure.ts';
import type { NodeMetrics } from './metrics.ts';
import { keyOf } from './pod-namespace.ts';
import { Readiness } from './readiness.ts';
import type { CheckOutcome, NodeRouters } from './routers-api.ts';
import { SourcePortWarnings } from './source-ports.ts';
import { Suspension } from './suspension.ts';
import { TrafficCounter } from './traffic.ts';
import { beat, placeOf, type Watched, type WatchTimes } from './watched.ts';
import type { Wires } from './wires-api.ts';

/**
 * Milliseconds between checks that a router's namespace exists. Without them, the daemon's open sockets would keep a
 * namespace alive that was deleted without a DEL.
 */
const aliveFor = 5_000;

/**
 * Number of checks of the wires, one in each wake-up, between evaluations of which routers may have been replaced, and
 * between looks for tasks that are due.
 */
const pace = { addresses: 2, tasks: 8 };

/** Dependencies of {@link RouterWatch}. */
export interface WatchParts {
  readonly routers: NodeRouters;
  readonly wires: Wires;
  readonly metrics: NodeMetrics;
  readonly events: EventRecorder;
  readonly log: DaemonLog;
  readonly times: WatchTimes;
  /** Routers at the last scan by key. Every scan creates a new map. */
  readonly routersOf: () => ReadonlyMap<string, AttachmentState>;
  readonly standingOf: KeeperParts['standingOf'];
  readonly isMissing: KeeperParts['isMissing'];
  readonly isEnding: KeeperParts['isEnding'];
  /** UID of a router's pod; undefined if it is not known. */
  readonly uidOf: (state: AttachmentState) => string | undefined;
  readonly showClosure: KeeperParts['showClosure'];
  /** Reports the problems that keep a router from being ready; undefined if they are not known. Never throws. */
  readonly showReadiness: (state: AttachmentState, problems: readonly string[] | undefined) => void;
  /** Discards the readiness of a deleted router. */
  readonly forgetReadiness: (state: AttachmentState) => void;
}

/** Milliseconds after which a failed CHECK is retried. */
const checkAgain = 5000;

/** Milliseconds in which the gateways of a new router are probed at a shorter interval until they answer. */
const eager = { lasts: 60_000, interval: 1000 };

/**
 * Measures the routers of this node, announces their addresses to neighbors, and closes a router while another
 * machine has its address. Nothing is repaired silently. Routers are processed one after another, each with the tasks
 * that are due, so that a hundred routers cause no load peak.
 */
export class RouterWatch {
  readonly #parts: WatchParts;
  readonly #problems: ProblemBook;
  readonly #watched = new Map<string, Watched>();
  readonly #keeper: AddressKeeper;
  #end: (() => void) | undefined;
  #beats = 0;
  #isFirst = true;
  #known: ReadonlyMap<string, AttachmentState> = new Map();

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#problems = new ProblemBook(parts.log, 'Router failed its health check');
    this.#keeper = new AddressKeeper({
      ...parts,
      problems: this.#problems,
      tell: (...words) => this.#tell(...words),
    });
  }

  start(): void {
    this.look();
    this.#end = sharedTimers.repeat(beat, () => this.#beat());
  }

  close(): void {
    this.#end?.();
    this.#parts.wires.close();
  }

  #lookAtAddresses(): void {
    this.#keeper.look([...this.#watched.values()], performance.now());
    for (const state of this.#parts.routers.listChanged()) {
      const watched = this.#watched.get(keyOf(state));
      if (watched === undefined) continue;
      this.#see(watched);
      this.#showReadiness(watched);
    }
  }

  /** Reads the problems of a router from the kernel. */
  #see({ state, labels, readiness, isForgotten }: Watched): void {
    if (isForgotten) return;
    try {
      readiness.see(this.#parts.routers.listProblems(state));
    } catch (error) {
      this.#parts.log.debug({ err: error, ...labels }, 'Failed to read the state of a router');
    }
  }

  #showReadiness({ state, closure: { rival }, suspension, readiness, isForgotten }: Watched): void {
    // A terminating pod counts as ready until it has ended: Services use it only while no other pod is ready.
    if (isForgotten || this.#parts.isEnding(state)) return;
    const { link } = state;
    const own = readiness.list(link);
    if (rival !== undefined)
      this.#parts.showReadiness(state, [`${link} is closed: ${rival.address} is in use by ${rival.mac}`]);
    else if (suspension.reason !== undefined)
      this.#parts.showReadiness(state, [`${link} is suspended: ${suspension.reason}`]);
    else this.#parts.showReadiness(state, own);
  }

  /** Everything is done in the same wake-ups. */
  #beat(): void {
    this.#beats++;
    if (this.#beats % pace.tasks === 0) this.look();
    this.#listen();
  }

  #listen(): void {
    if (this.#watched.size === 0) return;
    for (const { state, rival } of this.#parts.wires.turn(performance.now())) {
      const watched = this.#watched.get(keyOf(state));
      if (watched !== undefined) void this.#keeper.hear(watched, rival);
    }
    // After the answers of gateways were read: if this process did not run for a while, they are not late.
    if (this.#beats % pace.addresses === 0) this.#lookAtAddresses();
  }

  /**
   * Runs the tasks that are due. Called about every second and when the list of routers changes. Costs almost nothing
   * if no task is due.
   */
  look(): void {
    const { routers, routersOf } = this.#parts;
    const now = performance.now();
    const known = routersOf();
    if (known !== this.#known) this.#follow(known, now);
    for (const [key, watched] of this.#watched) {
      // A notification may have been lost.
      if (!watched.readiness.isSound) this.#see(watched);
      this.#showReadiness(watched);
      if (watched.isBusy) continue;
      const due = isDue(watched, now);
      if (!due && watched.aliveUntil > now) continue;
      watched.aliveUntil = now + aliveFor;
      if (!routers.isAlive(watched.state)) this.#forget(key, watched);
      else if (due) void this.#look(watched, now);
    }
    this.#isFirst = false;
  }

  #follow(known: ReadonlyMap<string, AttachmentState>, now: number): void {
    this.#known = known;
    for (const [key, watched] of this.#watched) if (!known.has(key)) this.#forget(key, watched);
    const begun: Watched[] = [];
    for (const [key, state] of known) {
      const watched = this.#watched.get(key) ?? this.#begin(state, now);
      if (!this.#watched.has(key)) begun.push(watched);
      watched.state = state;
      this.#watched.set(key, watched);
    }
    this.#retain();
    // After notifications of changes begin: ADD may still be at work.
    for (const watched of begun) this.#see(watched);
  }

  #forget(key: string, watched: Watched): void {
    this.#parts.forgetReadiness(watched.state);
    watched.isForgotten = true;
    this.#watched.delete(key);
    this.#retain();
    this.#forgetReports(watched);
  }

  /** Removes what the daemon reports about a router, unless another router has its name by now. */
  #forgetReports({ labels }: Watched): void {
    const { metrics, log } = this.#parts;
    const place = placeOf(labels);
    for (const other of this.#watched.values()) if (placeOf(other.labels) === place) return;
    this.#problems.report(place, undefined);
    metrics.remove(labels).catch((error: unknown) => log.debug({ err: error }, 'Failed to remove series'));
  }

  #retain(): void {
    const states = Array.from(this.#watched.values(), ({ state }) => state);
    this.#parts.routers.retain(states);
    this.#parts.wires.retain(states);
  }

  /** Starts to watch a router. Tasks are spread over the first interval, so that not all routers are due together. */
  #begin(state: AttachmentState, now: number): Watched {
    const { times } = this.#parts;
    const spread = (interval: number): number => now + interval * Math.random();
    const labels = {
      namespace: state.pod?.namespace ?? '',
      pod: state.pod?.name ?? state.id.containerId,
      interface: state.link,
    };
    const due = { ask: now, count: now, announce: spread(times.announce), check: spread(times.check) };
    const watched: Watched = {
      state,
      labels,
      traffic: new TrafficCounter(this.#isFirst),
      sourcePortWarnings: new SourcePortWarnings(),
      due,
      aliveUntil: spread(aliveFor),
      conflicts: 0,
      isCutOff: false,
      wasQuiet: false,
      closure: new Closure(times.ask),
      suspension: new Suspension(),
      readiness: new Readiness(),
      eagerUntil: now + eager.lasts,
      isBusy: false,
      isForgotten: false,
    };
    try {
      this.#keeper.adopt(watched, now);
    } catch (error) {
      this.#parts.log.debug({ err: error, ...labels }, 'Failed to restore the state of a router');
    }
    return watched;
  }

  async #look(watched: Watched, now: number): Promise<void> {
    const { times } = this.#parts;
    const isDue = (what: keyof WatchTimes): boolean => {
      if (watched.due[what] > now) return false;
      watched.due[what] = now + times[what];
      return true;
    };
    watched.isBusy = true;
    try {
      if (isDue('count')) await this.#count(watched);
      if (isDue('check')) await this.#check(watched);
      const [asks, announces] = [isDue('ask'), isDue('announce')];
      // A closed router is probed but not announced, because another machine may have the address.
      if (watched.closure.rival !== undefined) {
        if (asks) await this.#keeper.tryAgain(watched);
        return;
      }
      if (watched.suspension.reason !== undefined) return;
      if (asks || announces) await this.#ask(watched);
      const isOurs =
        !watched.isCutOff &&
        watched.conflicts === 0 &&
        watched.suspension.reason === undefined &&
        !this.#parts.isEnding(watched.state);
      if (announces && isOurs) this.#parts.routers.announce(watched.state);
    } catch (error) {
      // The router may be gone, which the next scan detects.
      this.#parts.log.debug({ err: error, ...watched.labels }, 'Failed to check a router');
    } finally {
      watched.isBusy = false;
      // The router was deleted during the task, which may have reported on it after that.
      if (watched.isForgotten) this.#forgetReports(watched);
    }
  }

  async #count({ state, labels, traffic, sourcePortWarnings }: Watched): Promise<void> {
    const { metrics, routers } = this.#parts;
    const { redirects, sourcePorts } = traffic.count(state, routers.listFlows(state));
    await metrics.forgetCounts(labels);
    for (const row of redirects) {
      const own = { ...labels, redirect: row.redirect };
      metrics.open.set(own, row.open);
      metrics.connections.inc(own, row.opened);
      metrics.sent.inc(own, row.sent);
      metrics.received.inc(own, row.received);
      metrics.refusals.inc({ ...own, kind: 'refused' }, row.refused);
      metrics.refusals.inc({ ...own, kind: 'unanswered' }, row.unanswered);
    }
    for (const { destination, ratio } of sourcePorts) metrics.sourcePorts.set({ ...labels, destination }, ratio);
    for (const message of sourcePortWarnings.find(sourcePorts)) await this.#tell(state, 'SourcePortsLow', message);
  }

  async #check(watched: Watched): Promise<void> {
    const { metrics, times, log } = this.#parts;
    const { state, labels, closure, suspension, readiness } = watched;
    // Closed and suspended routers differ from their recorded state and are already reported.
    if (closure.rival !== undefined || suspension.reason !== undefined) return;
    // CHECK throws if another call holds the lock; retry soon in this case.
    watched.due.check = performance.now() + checkAgain;
    const { differences, problems } = this.#compare(watched);
    readiness.see(problems);
    watched.due.check = performance.now() + times.check;
    metrics.rulesRight.set(labels, differences.length === 0 ? 1 : 0);
    metrics.lastCheck.set(labels, Date.now() / 1000);
    const [first, ...more] = differences;
    const text = first === undefined ? undefined : `${first}${more.length === 0 ? '' : `, and ${more.length} more`}`;
    this.#problems.report(placeOf(labels), text);
    if (text === undefined) return;
    log.debug({ ...labels, differences }, 'CHECK found differences');
    await this.#tell(state, 'RouterChanged', `${text}; delete the pod to have it recreated`);
  }

  /** As {@link NodeRouters.check}. If that fails, readiness is read without it. */
  #compare(watched: Watched): CheckOutcome {
    try {
      return this.#parts.routers.check(watched.state);
    } catch (error) {
      this.#see(watched);
      throw error;
    }
  }

  async #ask(watched: Watched): Promise<void> {
    const { metrics, routers, times } = this.#parts;
    const { state, labels } = watched;
    this.#parts.showClosure(state, undefined);
    // Assumed until the probe succeeds.
    watched.isCutOff = true;
    // Probe from the router's address only while no other machine can have it.
    const manner = this.#keeper.isConnected(state, performance.now()) ? 'open' : 'unnamed';
    const { gateways, conflicts, isCutOff } = await routers.ask(state, manner);
    watched.isCutOff = isCutOff;
    watched.readiness.hear(gateways);
    const now = performance.now();
    const isMissing = gateways.some(({ answers }) => !answers) && now < watched.eagerUntil;
    watched.due.ask = now + (isMissing ? Math.min(eager.interval, times.ask) : times.ask);
    if (conflicts.length === 0) this.#showReadiness(watched);
    for (const { address, answers } of gateways)
      metrics.gatewayUp.set({ ...labels, gateway: address }, answers ? 1 : 0);
    const [conflict] = conflicts;
    if (conflict === undefined) watched.conflicts = 0;
    else if (watched.suspension.reason === undefined) await this.#keeper.meet(watched, conflict);
  }

  async #tell(
    state: AttachmentState,
    reason: string,
    message: string,
    type: EventWords['type'] = 'Warning',
  ): Promise<void> {
    const uid = this.#parts.uidOf(state);
    if (state.pod === undefined || uid === undefined) return;
    const { namespace, name } = state.pod;
    await this.#parts.events.tell({ apiVersion: 'v1', kind: 'Pod', namespace, name, uid }, { type, reason, message });
  }
}

/** Returns whether any task is due. Usually none is. */
function isDue({ due }: Watched, now: number): boolean {
  return due.ask <= now || due.count <= now || due.announce <= now || due.check <= now;
}
