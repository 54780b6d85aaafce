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

/** Consecutive probes that find a rival after which the interface is closed even if the API server confirms the pod. */
const mostConflicts = 3;

/** Milliseconds without an answer from any gateway. */
const quiet = {
  /** The daemon starts to query the API server. */
  doubtful: 1200,
  /** The router is considered cut off unless the API server responds. */
  cutOff: 2000,
};

/** Validity of an API server response, request timeout, and interval between requests, in milliseconds. */
const confirmation = { counts: 1500, patience: 700, interval: 500 };

/** Minimum interval between defences, and time to wait for the API server before suspending, in milliseconds. */
const defence = { interval: 1000, verdict: 150 };

/** Milliseconds between API requests for a router whose pod is missing from the watch of this node's pods. */
const missingInterval = 5000;

/** Dependencies of {@link AddressKeeper}. */
export interface KeeperParts {
  readonly routers: NodeRouters;
  readonly wires: Wires;
  readonly metrics: NodeMetrics;
  readonly log: DaemonLog;
  readonly problems: ProblemBook;
  /** Queries the API server for the pod of a router. Never rejects. */
  readonly standingOf: (state: AttachmentState, patience?: number) => Promise<Standing>;
  /** Whether the router's pod is missing from the watch of this node's pods. */
  readonly isMissing: (state: AttachmentState) => boolean;
  /** Whether the router's pod is terminating, so that its successor may take the address at any time. */
  readonly isEnding: (state: AttachmentState) => boolean;
  /** Annotates a router's pod with the claim that keeps it closed, or removes the annotation. Never throws. */
  readonly showClosure: (state: AttachmentState, rival: AddressRival | undefined) => void;
  readonly tell: (state: AttachmentState, reason: string, message: string, type?: EventWords['type']) => Promise<void>;
}

/**
 * Prevents two machines from using the same address. The keeper suspends a router that may have been replaced: it lost
 * its carrier, its pod is gone, or neither a gateway nor the API server answers. It resumes the router when the API
 * server confirms the pod and no machine claims the address. When a rival claims the address, the keeper defends it if
 * the pod is current, and closes the interface otherwise.
 */
export class AddressKeeper {
  readonly #parts: KeeperParts;
  /** Routers that are defending their address or did so less than a defence interval ago. */
  readonly #defending = new Set<Watched>();
  /** Times of the last liveness request to the API server, the last success, and the last failure. */
  #askedAt = Number.NEGATIVE_INFINITY;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;
  readonly #missingUntil = new WeakMap<Watched, number>();

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Restores the closure or suspension that a previous daemon applied to a router. */
  adopt(watched: Watched, now: number): void {
    const { state, labels, closure } = watched;
    if (state.closed !== undefined) {
      closure.close(state.closed, now);
      this.#reportClosed(state, labels, state.closed);
    } else if (this.#parts.routers.isSuspended(state)) {
      this.#noteSuspension(watched, 'a previous daemon suspended it', now);
    }
  }

  /** Whether a gateway of a router answered so recently that no other machine can have taken its address. */
  isConnected(state: AttachmentState, now: number): boolean {
    return this.#parts.wires.quietFor(state, now) < quiet.doubtful;
  }

  /** Suspends routers that may have been replaced and resumes those that were not. Call this several times a second. */
  look(all: readonly Watched[], now: number): void {
    const { wires, isMissing, isEnding } = this.#parts;
    let doubtful: Watched | undefined;
    for (const watched of all) {
      const { state, closure, suspension } = watched;
      if (closure.rival !== undefined) continue;
      if (isEnding(state) && !this.#defending.has(watched)) void this.#makeWay(watched, all);
      const silence = wires.quietFor(state, now);
      if (suspension.reason !== undefined) {
        const isReady = silence < quiet.cutOff && suspension.isDue(now) && !watched.isBusy;
        if (isReady && !this.#defending.has(watched)) void this.#tryResume(watched);
        continue;
      }
      const isQuiet = silence > quiet.doubtful;
      if (isQuiet) doubtful = watched;
      // The link works again: immediately probe for another machine that took the address in the meantime.
      else if (watched.wasQuiet) watched.due.ask = now;
      watched.wasQuiet = isQuiet;
      if (silence === Number.POSITIVE_INFINITY) this.#suspend(watched, 'its wire has no carrier', now);
      else if (silence > quiet.cutOff && this.#hasLostApi(now))
        this.#suspend(watched, 'neither a gateway nor the API server answers', now);
      else if (isMissing(state)) void this.#askForMissing(watched, now);
    }
    if (doubtful !== undefined && now - this.#askedAt > confirmation.interval) void this.#confirm(doubtful.state, now);
  }

  /** Checks whether the API server is reachable. A request for one router is enough. */
  async #confirm(state: AttachmentState, now: number): Promise<void> {
    this.#askedAt = now;
    if ((await this.#parts.standingOf(state, confirmation.patience)) === 'unknown') this.#failedAt = now;
    else this.#confirmedAt = now;
  }

  /** Requires a failed request, because an old success may only mean that the daemon did not run for a while. */
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
      this.#parts.log.debug({ err: error, ...watched.labels }, 'Failed to suspend a router');
      return;
    }
    this.#noteSuspension(watched, reason, now);
  }

  #noteSuspension({ state, labels, suspension }: Watched, reason: string, now: number): void {
    suspension.begin(reason, now);
    this.#parts.metrics.suspended.set(labels, 1);
    if (this.#parts.isEnding(state)) return;
    this.#parts.problems.report(placeOf(labels), `${state.link} is suspended: ${reason}`);
  }

  /** Probes without a sender address, so that a machine that legitimately has the address is not disturbed. */
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
      log.debug({ err: error, ...labels }, 'Failed to resume a router; retrying');
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

  /**
   * Closes the router of a terminating pod when its successor on the same node has its address. The successor's
   * announcements are not received on the master, because they leave by it.
   */
  async #makeWay(watched: Watched, all: readonly Watched[]): Promise<void> {
    const { wires, isEnding } = this.#parts;
    const { state } = watched;
    const addresses = new Set(state.addresses.map(({ address }) => address.text));
    for (const { state: other, closure } of all) {
      if (other.master !== state.master || closure.rival !== undefined || isEnding(other)) continue;
      const address = other.addresses.find((one) => addresses.has(one.address.text))?.address.text;
      const mac = wires.macOf(other);
      if (address !== undefined && mac !== undefined) return await this.hear(watched, { address, mac });
    }
  }

  /** Handles an observed claim of a rival immediately, at most once a second per router. */
  async hear(watched: Watched, rival: AddressRival): Promise<void> {
    const { state, closure, suspension, labels } = watched;
    if (closure.rival !== undefined || this.#defending.has(watched)) return;
    const isEnding = this.#parts.isEnding(state);
    if (!isEnding) this.#parts.metrics.conflicts.inc({ ...labels, address: rival.address });
    try {
      // The router was suspended because a rival was possible.
      if (isEnding || suspension.reason !== undefined) await this.#close(watched, rival);
      else await this.#defend(watched, rival);
    } catch (error) {
      this.#parts.log.debug({ err: error, ...labels }, 'Failed to handle a rival; retrying');
    }
  }

  /**
   * Handles a rival that a periodic probe found. A replaced router closes immediately. A current router has probably
   * found its predecessor, which closes when it sees an announcement: the router announces its address, and closes if
   * the rival remains.
   */
  async meet(watched: Watched, { address, mac }: AddressRival): Promise<void> {
    const { labels, closure } = watched;
    if (closure.rival !== undefined) return;
    if (this.#parts.isEnding(watched.state)) return await this.#close(watched, { address, mac });
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
      // A slow API server may mean that this node is the one that is cut off.
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
    // Suspending needs no lock; another call may hold the namespace's lock for a while.
    this.#suspend(watched, `${rival.mac} has its address`, performance.now());
    this.#parts.routers.close(state, rival);
    closure.close(rival, performance.now());
    suspension.end();
    this.#parts.metrics.suspended.set(labels, 0);
    if (this.#parts.isEnding(state)) {
      this.#parts.problems.report(placeOf(labels), undefined);
      this.#parts.log.info(
        { ...labels, ...rival },
        'Router of a terminating pod closed: its successor has the address',
      );
      return;
    }
    await this.#parts.tell(state, 'AddressConflict', this.#reportClosed(state, labels, rival));
  }

  /** Reports a closed router. Returns the message with the cause and the remedy. */
  #reportClosed(state: AttachmentState, labels: RouterLabels, rival: AddressRival): string {
    const message =
      `${state.link} was closed: ${rival.address} is in use by another machine, ${rival.mac}; ` +
      'remove it there, or delete this pod; the interface opens again when that machine is silent';
    this.#parts.metrics.closed.set(labels, 1);
    this.#parts.problems.report(placeOf(labels), message);
    return message;
  }

  /**
   * Reopens a closed router when the API server confirms that its pod is current and several consecutive probes find no
   * other machine with its address. Until then, the router has no address and probes without a sender address, which
   * does not disturb a machine that has the address.
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
