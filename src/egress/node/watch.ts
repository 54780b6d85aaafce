import type { DaemonLog } from '../../base/daemon/log.ts';
import type { EventRecorder, EventWords } from '../../base/kubernetes/events.ts';
import { ProblemBook } from '../../base/kubernetes/problem-book.ts';
import type { AddressRival, AttachmentState } from '../model/state.ts';
import { Closure } from './closure.ts';
import type { NodeMetrics, RouterLabels } from './metrics.ts';
import type { NodeRouters } from './routers-api.ts';
import { TrafficCounter } from './traffic.ts';

/** Intervals in milliseconds. */
export interface WatchTimes {
  /** Interval of probes for gateways and other owners of the address. */
  readonly ask: number;
  /** Interval of counting connections. */
  readonly count: number;
  readonly announce: number;
  readonly check: number;
}

/**
 * Consecutive claims of an address by another machine after which the interface is closed regardless of the API
 * server.
 */
const mostConflicts = 3;

/**
 * Milliseconds after which a router's namespace is checked if nothing else is due: a namespace that disappears
 * without a DEL stays alive through open sockets.
 */
const aliveFor = 5_000;

/** State of a router's pod according to the cluster. */
export type Standing =
  /** It exists according to a current view. */
  | 'current'
  /** The pod is gone, terminating or unknown, so another pod may have its address. */
  | 'replaced';

/** Dependencies of {@link RouterWatch}. */
export interface WatchParts {
  readonly routers: NodeRouters;
  readonly metrics: NodeMetrics;
  readonly events: EventRecorder;
  readonly log: DaemonLog;
  readonly times: WatchTimes;
  /** Routers at the last scan by key. Every scan creates a new map. */
  readonly routersOf: () => ReadonlyMap<string, AttachmentState>;
  readonly standingOf: (state: AttachmentState) => Promise<Standing>;
  /** Returns the UID of a router's pod, or undefined if it is unknown. */
  readonly uidOf: (state: AttachmentState) => string | undefined;
  /**
   * Writes to a router's pod whose claim keeps it closed, or undefined if none does, unless the pod shows it already.
   * Never throws.
   */
  readonly showClosure: (state: AttachmentState, rival: AddressRival | undefined) => void;
}

interface Watched {
  state: AttachmentState;
  readonly labels: RouterLabels;
  readonly traffic: TrafficCounter;
  readonly due: Record<keyof WatchTimes, number>;
  /** When to check its namespace. */
  aliveUntil: number;
  conflicts: number;
  /** No gateway answered the last probe. */
  isCutOff: boolean;
  readonly closure: Closure;
  isBusy: boolean;
}

/**
 * Measures the routers of this node, announces their addresses to neighbors, and closes a router while another
 * machine has its address. Nothing is repaired silently. Routers are processed one after another, each with the tasks
 * that are due, so that a hundred routers cause no load peak.
 */
export class RouterWatch {
  readonly #parts: WatchParts;
  readonly #problems: ProblemBook;
  readonly #watched = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #isFirst = true;
  #known: ReadonlyMap<string, AttachmentState> = new Map();

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#problems = new ProblemBook(parts.log, 'Router failed its health check');
  }

  start(): void {
    this.#turn();
    this.#timer = setInterval(() => this.#turn(), 1000);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Runs every second for every router, and costs next to nothing if nothing is due. */
  #turn(): void {
    const { routers, routersOf } = this.#parts;
    const now = performance.now();
    const known = routersOf();
    if (known !== this.#known) this.#follow(known, now);
    for (const [key, watched] of this.#watched) {
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
    for (const [key, state] of known) {
      const watched = this.#watched.get(key) ?? this.#begin(state, now);
      watched.state = state;
      this.#watched.set(key, watched);
    }
    this.#retain();
  }

  #forget(key: string, { labels }: Watched): void {
    const { metrics, log } = this.#parts;
    this.#watched.delete(key);
    this.#retain();
    this.#problems.report(placeOf(labels), undefined);
    metrics.remove(labels).catch((error: unknown) => log.debug({ err: error }, 'Failed to remove series'));
  }

  #retain(): void {
    this.#parts.routers.retain(Array.from(this.#watched.values(), ({ state }) => state));
  }

  /** Spread over the first interval, so that routers that started together do not stay in step. */
  #begin(state: AttachmentState, now: number): Watched {
    const { times } = this.#parts;
    const spread = (interval: number): number => now + interval * Math.random();
    const labels = {
      namespace: state.pod?.namespace ?? '',
      pod: state.pod?.name ?? state.id.containerId,
      interface: state.link,
    };
    const due = { ask: now, count: now, announce: spread(times.announce), check: spread(times.check) };
    const closure = new Closure(times.ask);
    // A previous daemon closed it.
    if (state.closed !== undefined) {
      closure.close(state.closed, now);
      this.#reportClosed(state, labels, state.closed);
    }
    return {
      state,
      labels,
      traffic: new TrafficCounter(this.#isFirst),
      due,
      aliveUntil: spread(aliveFor),
      conflicts: 0,
      isCutOff: false,
      closure,
      isBusy: false,
    };
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
      // Never announced without a probe, because another machine may have the address.
      if (watched.closure.rival !== undefined) {
        if (asks) await this.#tryAgain(watched);
        return;
      }
      if (asks || announces) await this.#ask(watched);
      const isOurs = !watched.isCutOff && watched.conflicts === 0;
      if (announces && isOurs) this.#parts.routers.announce(watched.state);
    } catch (error) {
      // It may have ended, which the next scan detects.
      this.#parts.log.debug({ err: error, ...watched.labels }, 'Failed to check a router');
    } finally {
      watched.isBusy = false;
    }
  }

  async #count({ state, labels, traffic }: Watched): Promise<void> {
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
  }

  async #check({ state, labels, closure }: Watched): Promise<void> {
    const { metrics, routers, log } = this.#parts;
    // Differences of a closed router are expected.
    if (closure.rival !== undefined) return;
    const differences = routers.check(state);
    metrics.rulesRight.set(labels, differences.length === 0 ? 1 : 0);
    metrics.lastCheck.set(labels, Date.now() / 1000);
    const [first, ...more] = differences;
    const text = first === undefined ? undefined : `${first}${more.length === 0 ? '' : `, and ${more.length} more`}`;
    this.#problems.report(placeOf(labels), text);
    if (text === undefined) return;
    log.debug({ ...labels, differences }, 'CHECK found differences');
    await this.#tell(state, 'RouterChanged', `${text}; delete the pod to have it recreated`);
  }

  async #ask(watched: Watched): Promise<void> {
    const { metrics, routers, times } = this.#parts;
    const { state, labels } = watched;
    this.#parts.showClosure(state, undefined);
    // Until more is known: probed again in the next turn, so that a router that returns soon meets its successor.
    watched.isCutOff = true;
    watched.due.ask = 0;
    const answer = await routers.ask(state);
    if (!answer.isCutOff) {
      watched.isCutOff = false;
      watched.due.ask = performance.now() + times.ask;
    }
    for (const { address, answers } of answer.gateways)
      metrics.gatewayUp.set({ ...labels, gateway: address }, answers ? 1 : 0);
    const [conflict] = answer.conflicts;
    if (conflict === undefined) {
      watched.conflicts = 0;
      return;
    }
    metrics.conflicts.inc({ ...labels, address: conflict.address });
    await this.#yield(watched, conflict);
  }

  /**
   * Handles a claim of the address by another machine. A router that the cluster has replaced yields at once. A
   * current router probably meets its predecessor, which yields as soon as it hears an announcement: the router
   * announces its address again, and yields if that does not help.
   */
  async #yield(watched: Watched, { address, mac }: AddressRival): Promise<void> {
    const { routers, standingOf, log } = this.#parts;
    const { state, labels } = watched;
    watched.conflicts++;
    const { conflicts } = watched;
    log.warn({ ...labels, address, mac, conflicts }, 'Another machine has the address of a router');
    if (conflicts < mostConflicts && (await standingOf(state)) === 'current') {
      routers.announce(state);
      return;
    }
    await this.#close(watched, { address, mac });
  }

  async #close({ state, labels, closure }: Watched, rival: AddressRival): Promise<void> {
    this.#parts.routers.close(state, rival);
    closure.close(rival, performance.now());
    await this.#tell(state, 'AddressConflict', this.#reportClosed(state, labels, rival));
  }

  /** Returns the problem and how to fix it. */
  #reportClosed(state: AttachmentState, labels: RouterLabels, rival: AddressRival): string {
    const message =
      `${state.link} was closed: ${rival.address} is in use by another machine, ${rival.mac}; ` +
      'remove it there, or delete this pod; the interface opens again when that machine is silent';
    this.#parts.metrics.closed.set(labels, 1);
    this.#problems.report(placeOf(labels), message);
    return message;
  }

  /**
   * Opens a closed router when the API server confirms that its pod is the current one and no machine has claimed its
   * address for some rounds. While it listens it has no address and its probes name none, so that a machine with the
   * address is not disturbed.
   */
  async #tryAgain(watched: Watched): Promise<void> {
    const { routers, metrics, standingOf, showClosure, log } = this.#parts;
    const { state, labels, closure } = watched;
    const { rival } = closure;
    if (rival === undefined) return;
    showClosure(state, rival);
    const step = closure.next(performance.now());
    if (step === 'wait') return;
    if (step === 'begin') {
      if ((await standingOf(state)) !== 'current') return;
      routers.listen(state);
      closure.listen();
    }
    const { conflicts, isCutOff } = await routers.ask(state, 'unnamed');
    const [conflict] = conflicts;
    if (conflict !== undefined) {
      metrics.conflicts.inc({ ...labels, address: conflict.address });
      await this.#close(watched, conflict);
      const retryMilliseconds = Math.round(closure.remaining(performance.now()));
      log.info({ ...labels, ...conflict, retryMilliseconds }, 'The address is still in use; the router stays closed');
      return;
    }
    if (!closure.hearSilence(isCutOff)) return;
    if ((await standingOf(state)) !== 'current') {
      await this.#close(watched, rival);
      return;
    }
    routers.reopen(state);
    closure.open(performance.now());
    watched.conflicts = 0;
    metrics.closed.set(labels, 0);
    metrics.reopened.inc(labels);
    this.#problems.report(placeOf(labels), undefined);
    showClosure(state, undefined);
    log.info({ ...labels, ...rival }, 'The address is free again; the router was opened');
    const message = `${state.link} was opened again: ${rival.mac} no longer answers for ${rival.address}`;
    await this.#tell(state, 'AddressRegained', message, 'Normal');
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

function placeOf({ namespace, pod, interface: link }: RouterLabels): string {
  return `${namespace}/${pod} ${link}`;
}
