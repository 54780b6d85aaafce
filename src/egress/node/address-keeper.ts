import { setTimeout as sleep } from 'node:timers/promises';
import type { DaemonLog } from '../../base/daemon/log.ts';
import type { EventWords } from '../../base/kubernetes/events.ts';
import type { ProblemBook } from '../../base/kubernetes/problem-book.ts';
import type { AddressRival, AttachmentState } from '../model/state.ts';
import type { NodeMetrics, RouterLabels } from './metrics.ts';
import type { NodeRouters } from './routers-api.ts';
import type { Standing } from './standing.ts';
import { placeOf, type Watched } from './watched.ts';
import type { Wires } from './wires-api.ts';

/** Consecutive rounds with a rival after which the interface is closed, whatever the API server says. */
const mostConflicts = 3;

/** Milliseconds in which no gateway answered. */
const quiet = {
  /** The API server is asked, too. */
  doubtful: 1200,
  /** The router counts as cut off unless the API server answers. */
  cutOff: 2000,
};

/** Milliseconds that an answer of the API server is valid, timeout of a request, and interval of requests. */
const confirmation = { counts: 1500, patience: 700, interval: 500 };

/** Milliseconds between two answers to a rival, and that the API server has before the router is suspended meanwhile. */
const defence = { interval: 1000, verdict: 150 };

/** Milliseconds between requests for a router whose pod is not among the pods of this node. */
const missingInterval = 5000;

/** Dependencies of {@link AddressKeeper}. */
export interface KeeperParts {
  readonly routers: NodeRouters;
  readonly wires: Wires;
  readonly metrics: NodeMetrics;
  readonly log: DaemonLog;
  readonly problems: ProblemBook;
  /** Asks the API server. Never rejects. */
  readonly standingOf: (state: AttachmentState, patience?: number) => Promise<Standing>;
  /** Whether the API server lists the pods of this node without the router's. */
  readonly isMissing: (state: AttachmentState) => boolean;
  /** Writes on a router's pod whose claim keeps it closed, unless that is there; undefined: none does. Never throws. */
  readonly showClosure: (state: AttachmentState, rival: AddressRival | undefined) => void;
  readonly tell: (state: AttachmentState, reason: string, message: string, type?: EventWords['type']) => Promise<void>;
}

/**
 * Keeps two machines from using one address. A router that may have been replaced is suspended: it lost its carrier,
 * its pod is gone, or neither a gateway nor the API server answers. It resumes when the API server confirms it and no
 * machine claims its address. A router that meets a rival answers it, or closes its interface if it is not the current
 * one.
 */
export class AddressKeeper {
  readonly #parts: KeeperParts;
  /** Routers that answered a rival a moment ago, or are about to. */
  readonly #defending = new Set<Watched>();
  /** When the API server was last asked for a sign of life, and when a question was that it answered, or did not. */
  #askedAt = Number.NEGATIVE_INFINITY;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;
  readonly #missingUntil = new WeakMap<Watched, number>();

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Continues what an earlier daemon did to a router. */
  adopt(watched: Watched, now: number): void {
    const { state, labels, closure } = watched;
    if (state.closed !== undefined) {
      closure.close(state.closed, now);
      this.#reportClosed(state, labels, state.closed);
    } else if (this.#parts.routers.isSuspended(state)) {
      this.#noteSuspension(watched, 'an earlier daemon suspended it', now);
    }
  }

  /** Whether a gateway of a router has answered a moment ago, so that another machine cannot have its address yet. */
  isConnected(state: AttachmentState, now: number): boolean {
    return this.#parts.wires.quietFor(state, now) < quiet.doubtful;
  }

  /** Suspends routers that may have been replaced, and resumes those that were not. Call it several times a second. */
  look(all: Iterable<Watched>, now: number): void {
    const { wires, isMissing } = this.#parts;
    let doubtful: Watched | undefined;
    for (const watched of all) {
      const { state, closure, suspension } = watched;
      if (closure.rival !== undefined) continue;
      const silence = wires.quietFor(state, now);
      if (suspension.reason !== undefined) {
        const isReady = silence < quiet.cutOff && suspension.isDue(now) && !watched.isBusy;
        if (isReady && !this.#defending.has(watched)) void this.#tryResume(watched);
        continue;
      }
      const isQuiet = silence > quiet.doubtful;
      if (isQuiet) doubtful = watched;
      // The wire is there again: ask at once who has the address by now.
      else if (watched.wasQuiet) watched.due.ask = now;
      watched.wasQuiet = isQuiet;
      if (silence === Number.POSITIVE_INFINITY) this.#suspend(watched, 'its wire has no carrier', now);
      else if (silence > quiet.cutOff && this.#hasLostApi(now))
        this.#suspend(watched, 'neither a gateway nor the API server answers', now);
      else if (isMissing(state)) void this.#askForMissing(watched, now);
    }
    if (doubtful !== undefined && now - this.#askedAt > confirmation.interval) void this.#confirm(doubtful.state, now);
  }

  /** One router stands for all: what matters is whether the API server can be reached, and so its watch. */
  async #confirm(state: AttachmentState, now: number): Promise<void> {
    this.#askedAt = now;
    if ((await this.#parts.standingOf(state, confirmation.patience)) === 'unknown') this.#failedAt = now;
    else this.#confirmedAt = now;
  }

  /** A daemon that could not run for a while must ask before it believes that it is cut off. */
  #hasLostApi(now: number): boolean {
    return this.#failedAt > this.#confirmedAt && now - this.#confirmedAt > confirmation.counts;
  }

  async #askForMissing(watched: Watched, now: number): Promise<void> {
    if ((this.#missingUntil.get(watched) ?? 0) > now) return;
    this.#missingUntil.set(watched, now + missingInterval);
    const standing = await this.#parts.standingOf(watched.state);
    if (standing === 'replaced') this.#suspend(watched, 'its pod is gone', performance.now());
    else if (standing === 'unknown') this.#missingUntil.delete(watched);
  }

  #suspend(watched: Watched, reason: string, now: number): void {
    if (watched.suspension.reason !== undefined || watched.closure.rival !== undefined) return;
    try {
      this.#parts.routers.suspend(watched.state);
    } catch (error) {
      this.#parts.log.debug({ err: error, ...watched.labels }, 'Cannot suspend a router');
      return;
    }
    this.#noteSuspension(watched, reason, now);
  }

  #noteSuspension({ state, labels, suspension }: Watched, reason: string, now: number): void {
    suspension.begin(reason, now);
    this.#parts.metrics.suspended.set(labels, 1);
    this.#parts.problems.report(placeOf(labels), `${state.link} is suspended: ${reason}`);
  }

  /** Asks who has the address without naming one, so that a machine that has it loses nothing. */
  async #tryResume(watched: Watched): Promise<void> {
    const { routers, metrics, standingOf, log } = this.#parts;
    const { state, labels, suspension } = watched;
    watched.isBusy = true;
    try {
      const [standing, { conflicts, isCutOff }] = await Promise.all([standingOf(state), routers.ask(state, 'unnamed')]);
      const now = performance.now();
      if (suspension.reason === undefined) return;
      const [rival] = conflicts;
      if (rival !== undefined) {
        metrics.conflicts.inc({ ...labels, address: rival.address });
        await this.#close(watched, rival);
        return;
      }
      if (!suspension.hearSilence(standing, isCutOff, now) || !this.isConnected(state, now)) return;
      this.#resume(watched);
      log.info({ ...labels, milliseconds: suspension.lasted(now) }, 'Router resumed: no other machine has its address');
    } catch (error) {
      suspension.postpone(performance.now());
      log.debug({ err: error, ...labels }, 'Cannot resume a router; retrying');
    } finally {
      watched.isBusy = false;
    }
  }

  #resume({ state, labels, suspension, due }: Watched): void {
    const { routers, metrics, problems } = this.#parts;
    routers.resume(state);
    suspension.end();
    metrics.suspended.set(labels, 0);
    problems.report(placeOf(labels), undefined);
    routers.announce(state);
    due.ask = performance.now();
  }

  /** Hears of a rival at any moment, and answers it at once, once a second at most. */
  async hear(watched: Watched, rival: AddressRival): Promise<void> {
    const { closure, suspension, labels } = watched;
    if (closure.rival !== undefined || this.#defending.has(watched)) return;
    this.#parts.metrics.conflicts.inc({ ...labels, address: rival.address });
    try {
      // It was suspended because there may be one.
      if (suspension.reason !== undefined) await this.#close(watched, rival);
      else await this.#defend(watched, rival);
    } catch (error) {
      this.#parts.log.debug({ err: error, ...labels }, 'Cannot answer a rival; retrying');
    }
  }

  /**
   * A round of questions met a rival. A router that the cluster has replaced yields at once. One that is current is
   * likely to meet its predecessor, which yields as soon as it hears of this one: it announces its address, and yields
   * if that does not help.
   */
  async meet(watched: Watched, { address, mac }: AddressRival): Promise<void> {
    const { labels, closure } = watched;
    if (closure.rival !== undefined) return;
    this.#parts.metrics.conflicts.inc({ ...labels, address });
    watched.conflicts++;
    const { conflicts } = watched;
    this.#parts.log.warn({ ...labels, address, mac, conflicts }, 'Another machine has the address of a router');
    if (conflicts >= mostConflicts) await this.#close(watched, { address, mac });
    else if (!this.#defending.has(watched)) await this.#defend(watched, { address, mac });
  }

  async #defend(watched: Watched, rival: AddressRival): Promise<void> {
    const { routers, standingOf } = this.#parts;
    const { state, suspension } = watched;
    this.#defending.add(watched);
    try {
      const asked = standingOf(state);
      const isEarly = await Promise.race([asked.then(() => true), sleep(defence.verdict, false)]);
      // Who waits for the API server may be the one who is cut off.
      if (!isEarly) this.#suspend(watched, 'another machine claims its address', performance.now());
      if ((await asked) !== 'current') return await this.#close(watched, rival);
      if (suspension.reason !== undefined) this.#resume(watched);
      else routers.announce(state);
    } finally {
      setTimeout(() => this.#defending.delete(watched), defence.interval).unref();
    }
  }

  async #close(watched: Watched, rival: AddressRival): Promise<void> {
    const { state, labels, closure, suspension } = watched;
    // Another call may have the lock of its namespace for a while.
    this.#suspend(watched, `${rival.mac} has its address`, performance.now());
    this.#parts.routers.close(state, rival);
    closure.close(rival, performance.now());
    suspension.end();
    this.#parts.metrics.suspended.set(labels, 0);
    await this.#parts.tell(state, 'AddressConflict', this.#reportClosed(state, labels, rival));
  }

  /** Returns what is wrong and how it is cured. */
  #reportClosed(state: AttachmentState, labels: RouterLabels, rival: AddressRival): string {
    const message =
      `${state.link} was closed: ${rival.address} is in use by another machine, ${rival.mac}; ` +
      'remove it there, or delete this pod; the interface opens again when that machine is silent';
    this.#parts.metrics.closed.set(labels, 1);
    this.#parts.problems.report(placeOf(labels), message);
    return message;
  }

  /**
   * Opens a closed router when the API server says that its pod is the current one, and no machine has claimed its
   * address for some rounds. While it listens it has no address, and asks without naming one: a machine that has the
   * address loses nothing by it.
   */
  async tryAgain(watched: Watched): Promise<void> {
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
    this.#parts.problems.report(placeOf(labels), undefined);
    showClosure(state, undefined);
    log.info({ ...labels, ...rival }, 'The address is free again; the router was opened');
    const message = `${state.link} was opened again: ${rival.mac} no longer answers for ${rival.address}`;
    await this.#parts.tell(state, 'AddressRegained', message, 'Normal');
  }
}
