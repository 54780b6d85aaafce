import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Applier } from './applier.ts';
import { Disk } from './disk.ts';
import { Generations } from './generations.ts';
import { HealthWatch } from './health-watch.ts';
import { type HostResources, LocalHost, type ProcessPlace } from './host.ts';
import { lacksSpares } from './layout.ts';
import { lockFolder } from './lock.ts';
import { recall } from './memory.ts';
import type { Backend, HttpState } from './model.ts';
import { endClientsBetween } from './old-workers.ts';
import { HaproxyProcess } from './process.ts';
import { ReloadBudget } from './reload-budget.ts';
import { dueOwners, reloadWait } from './reload-owners.ts';
import { ReloadTimer } from './reload-timer.ts';
import type { ApplyOutcome, EngineOptions, EngineReport, Pending } from './report.ts';
import { siftState } from './sift.ts';
import type { StatRow } from './stats.ts';
import { type ReloadCause, reloadCauses } from './steps.ts';
import { Worker } from './worker.ts';

/** Milliseconds that a reload waits for a previous worker that ignores its signal. */
const oldWorkerTimeout = 10_000;

/** Milliseconds that a master may read its configuration without answering. */
const masterTimeout = 60_000;

/** Milliseconds until a new generation must answer. */
const startTimeout = 120_000;

/** Milliseconds between questions whether it answers, as a share of the time since its start. */
const shortestPause = 10;
const longestPause = 50;
const shareOfPause = 0.03;

/** Number of backends whose checks are disabled before other changes are applied. */
const quietedAtOnce = 200;

/** Milliseconds without an answer until HAProxy is killed. */
const defaultHangTimeout = 30_000;

/** Milliseconds until a reload without enough memory is retried. */
const memoryWait = 5000;

/** Initial backoff of a failed start in milliseconds; doubled after each failure. */
const firstBackoff = 100;
const longestBackoff = 10_000;

const defaultBudget = { burst: 5, refill: 60_000 };

/**
 * One HAProxy that serves a state. Changes are applied to the running process and to its files. Other changes need a
 * reload, limited by the interval.
 */
export class HaproxyEngine {
  readonly #options: EngineOptions;
  readonly #disk: Disk;
  readonly #process: HaproxyProcess;
  readonly #reloads: Record<ReloadCause, number> = noReloads();
  readonly #generations: Generations;
  readonly #worker: Worker;
  readonly #applier: Applier;
  readonly #health: HealthWatch;
  readonly #budget: ReloadBudget;
  readonly #reloadTimer: ReloadTimer;
  #lock: Server | undefined;
  #wanted: HttpState | undefined;
  #outcome: ApplyOutcome = { refused: [], waiting: new Map(), pending: new Map(), pendingReload: false };
  /** Backends whose allow-lists are not loaded yet. */
  #held: ReadonlyMap<string, Backend> = new Map();
  #isLoading = false;
  #problem: string | undefined;
  #restarts = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #backoff = firstBackoff;
  #stopped = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#disk = new Disk(options.directory);
    const place = placeOf(options);
    this.#process = new HaproxyProcess(place, options.host ?? new LocalHost(place));
    this.#budget = new ReloadBudget(options.budget ?? defaultBudget);
    this.#generations = new Generations(options, this.#disk, this.#process, (problem) => this.#report(problem));
    this.#worker = new Worker(this.#disk.path('admin.sock'));
    this.#applier = new Applier({
      disk: this.#disk,
      worker: this.#worker,
      tellOldWorkers: async (commands) => await this.#tellOldWorkers(commands),
      drainTimeout: options.drainTimeout,
      enqueue: async (task) => await this.#enqueue(task),
      onProblem: (problem) => this.#report(problem),
    });
    this.#reloadTimer = new ReloadTimer(options.reloadInterval, () => this.#reloadNow());
    this.#health = new HealthWatch({
      socket: this.#disk.path('health.sock'),
      limit: options.hangTimeout ?? defaultHangTimeout,
      onProbe: () => this.#process.trimLog(),
      isExpected: () => this.isServing,
      isFull: async () => await this.#worker.isFull(),
      onHang: async (silence) => await this.#endHang(silence),
      onError: (error) => this.#report(`Cannot probe HAProxy: ${String(error)}`),
    });
  }

  /**
   * Takes over the HAProxy of an earlier supervisor in the folder, or starts one, and serves the state. Throws if
   * another process supervises it. If HAProxy does not start, the engine retries, and `describe` returns the reason.
   */
  async start(state: HttpState): Promise<ApplyOutcome> {
    return await this.#enqueue(async () => {
      await this.#takeFolder();
      this.#wanted = state;
      if (!(await this.#adopt())) await this.#bringUp();
      this.#health.start();
      this.#applier.startTidying();
      return await this.#applyNow();
    });
  }

  /**
   * Lets HAProxy serve the configuration of an earlier supervisor until a state is known. Does nothing if HAProxy is
   * running or there is no configuration.
   */
  async resume(): Promise<void> {
    await this.#enqueue(async () => {
      if (this.#stopped || this.#wanted !== undefined || (await this.#disk.current()) === undefined) return;
      await this.#takeFolder();
      if ((await this.#process.awaitMaster(masterTimeout)) === undefined) await this.#process.spawn();
    });
  }

  /** Throws if another process supervises the folder. */
  async #takeFolder(): Promise<void> {
    if (this.#lock !== undefined) return;
    await mkdir(this.#disk.directory, { recursive: true, mode: 0o700 });
    await chmod(this.#disk.directory, 0o700);
    await mkdir(this.#disk.path('jail'), { recursive: true, mode: 0o711 });
    this.#lock = await lockFolder(this.#disk.directory);
  }

  /** Applies a state as far as possible without a reload; the rest waits for one. */
  async apply(state: HttpState): Promise<ApplyOutcome> {
    this.#wanted = state;
    return await this.#enqueue(async () => await this.#applyNow());
  }

  /** Whether HAProxy serves the applied state, regardless of waiting and rejected changes. */
  get isServing(): boolean {
    return this.#applier.inForce !== undefined;
  }

  /** Parts of the last state that HAProxy does not serve. */
  get outcome(): ApplyOutcome {
    return this.#outcome;
  }

  /** Milliseconds since HAProxy last answered a probe. */
  get silence(): number {
    return this.#health.silence;
  }

  /** Returns the resources of HAProxy's container. */
  async resources(): Promise<HostResources> {
    return await this.#process.resources();
  }

  /** Returns statistics with the names of the state; servers only on request. */
  async readStats(options: { readonly servers: boolean }): Promise<StatRow[]> {
    return await this.#applier.readStats(options);
  }

  async describe(): Promise<EngineReport> {
    const processes = await this.#process.processes();
    return {
      ...(processes === undefined ? {} : { pid: processes.pid, version: processes.version }),
      workers: processes?.workers.length ?? 0,
      oldWorkers: processes?.oldWorkers.length ?? 0,
      reloads: { ...this.#reloads },
      restarts: this.#restarts,
      refused: this.#outcome.refused,
      waiting: this.#outcome.waiting,
      pendingReload: this.#outcome.pendingReload,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  /**
   * Stops HAProxy: it keeps serving for `delay`, then accepts no connections, and ends after the last one or after
   * `drain`.
   */
  async stop({ delay, drain }: { readonly delay: number; readonly drain: number }): Promise<void> {
    await sleep(delay);
    await this.#release();
    await this.#process.end(drain);
    this.#process.close();
  }

  /** Resolves when the files match the applied state. */
  async settle(): Promise<void> {
    await this.#enqueue(async () => await this.#applier.flush());
  }

  /** Leaves HAProxy running for the next supervisor. */
  async release(): Promise<void> {
    await this.#release();
    this.#process.close();
  }

  async #release(): Promise<void> {
    this.#stopped = true;
    this.#reloadTimer.stop();
    this.#applier.stop();
    this.#health.stop();
    this.#process.unwatch();
    // `state/changing` marks files that could not be written, so the next supervisor reloads HAProxy.
    await this.settle().catch((error: unknown) => this.#report(String(error)));
    this.#worker.close();
    this.#lock?.close();
  }

  /** Runs tasks one after another. */
  async #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => {});
    return await result;
  }

  #report(problem: string | undefined): void {
    const isNews = problem !== this.#problem;
    this.#problem = problem;
    if (isNews) this.#options.onProblem?.(problem);
  }

  /** Resumes from an earlier supervisor's state, if HAProxy runs with exactly these files. */
  async #adopt(): Promise<boolean> {
    const generation = await this.#disk.current();
    if ((await this.#process.awaitMaster(masterTimeout)) === undefined || generation === undefined) return false;
    const inForce = await recall(this.#disk.path(generation));
    if (inForce === undefined || !(await this.#generations.isOurs(inForce, generation))) return false;
    if ((await this.#worker.generation()) !== generation) return false;
    await this.#process.untilOldStop(oldWorkerTimeout);
    this.#applier.enter(inForce, generation);
    this.#health.noteAnswer();
    await this.#process.notePid();
    this.#watch();
    // The earlier supervisor may have ended before it had disabled them all.
    this.#quietenSoon([...inForce.layout.sections.keys()]);
    await this.#disk.removeOthers(generation);
    return true;
  }

  async #applyNow(): Promise<ApplyOutcome> {
    const before = this.#applier.inForce;
    const wanted = this.#wanted;
    if (before === undefined || wanted === undefined) return this.#outcome;
    const { state: ready, held } = this.#applier.holdBack(before, wanted);
    const { state, refused } = siftState(ready, this.#generations.banned);
    const waiting = await this.#applier.apply(before, state, held.size > 0);
    const { layout } = this.#applier.inForce ?? before;
    const pendingReload = waiting.size > 0 || lacksSpares(layout, state.settings);
    const pending = this.#listPending(waiting, held);
    this.#outcome = { refused, waiting, pending, pendingReload };
    if (pendingReload) this.#scheduleReload();
    this.#held = held;
    if (held.size > 0) this.#loadSoon();
    return this.#outcome;
  }

  /** Returns the changes that are not in force yet. */
  #listPending(waiting: ApplyOutcome['waiting'], held: ReadonlyMap<string, Backend>): ReadonlyMap<string, Pending> {
    const pending = new Map<string, Pending>();
    const state = this.#applier.inForce?.state;
    const now = performance.now();
    const isServed = (name: string): boolean =>
      state !== undefined && (state.backends.has(name) || state.certificates.has(name) || state.authorities.has(name));
    for (const id of held.keys()) pending.set(id, { isServed: isServed(id), cause: 'list' });
    for (const [cause, names] of waiting) {
      if (cause === 'refused') continue;
      for (const name of names) {
        const owner = this.#options.ownerOf?.(cause, name);
        const mustWait = owner !== undefined && this.#budget.waitOf(owner, now) > 0;
        pending.set(name, { isServed: isServed(name), cause: mustWait ? 'budget' : 'reload' });
      }
    }
    return pending;
  }

  /** Loads allow-lists slice by slice. Other changes take precedence between slices. */
  #loadSoon(): void {
    if (this.#isLoading || this.#stopped || this.#applier.isStuck) return;
    this.#isLoading = true;
    void this.#enqueue(async () => {
      this.#isLoading = false;
      if (this.#stopped || !this.isServing || this.#held.size === 0) return;
      if ((await this.#applier.loadLists(this.#held)) === 'load') return this.#loadSoon();
      await this.#applyNow();
      this.#options.onProgress?.(this.#outcome);
    }).catch((error: unknown) => this.#report(`Cannot load allow-lists into HAProxy: ${String(error)}`));
  }

  /** @param least minimum milliseconds to wait */
  #scheduleReload(least = 0): void {
    if (this.#stopped) return;
    const now = performance.now();
    this.#reloadTimer.schedule(now, Math.max(least, this.#budgetWait(now)));
  }

  #reloadNow(): void {
    void this.#enqueue(async () => {
      this.#reloadTimer.begin();
      if (!this.#stopped) await this.#reload();
    }).catch((error: unknown) => {
      this.#report(`Cannot reload HAProxy: ${String(error)}`);
      this.#scheduleReload(1000);
    });
  }

  #budgetWait(now: number): number {
    const { ownerOf } = this.#options;
    const { inForce } = this.#applier;
    if (ownerOf === undefined || inForce === undefined) return 0;
    return reloadWait(this.#outcome.waiting, inForce.layout, ownerOf, this.#budget, now);
  }

  /**
   * Returns the number of old workers if they leave too little memory for another worker, otherwise 0. Reloads of
   * namespaces wait meanwhile, and connections of old workers continue.
   */
  async countBlockingWorkers(): Promise<number> {
    const { oldWorkers = [] } = (await this.#process.processes()) ?? {};
    if (oldWorkers.length === 0) return 0;
    const { memoryAvailable, workerMemory } = await this.#process.resources();
    if (memoryAvailable === undefined || workerMemory === undefined) return 0;
    return memoryAvailable > 1.5 * workerMemory ? 0 : oldWorkers.length;
  }

  async #hasRoom(): Promise<boolean> {
    const count = await this.countBlockingWorkers();
    if (count === 0) return true;
    this.#report(
      `Memory does not suffice for another HAProxy worker next to ${count} old ones with connections; ` +
        'the reload waits; raise the memory limit, or limit old workers with --hard-stop-after',
    );
    return false;
  }

  async #endHang(silence: number): Promise<void> {
    if (this.#stopped) return;
    this.#report(`HAProxy has answered no request for ${Math.round(silence / 1000)} s; restarting it`);
    // Not queued: tasks in the queue may wait for the worker that hangs.
    await this.#process.destroy();
  }

  async #reload(): Promise<void> {
    const { inForce } = this.#applier;
    // The waiting change may have been withdrawn.
    if (inForce === undefined || !this.#outcome.pendingReload) return;
    const causes = [...this.#outcome.waiting.keys()];
    const now = performance.now();
    const { ownerOf } = this.#options;
    const owners =
      ownerOf === undefined
        ? [undefined]
        : dueOwners(this.#outcome.waiting, inForce.layout, ownerOf, this.#budget, now);
    // The owner of this reload may have withdrawn its change, and the others may have no budget left.
    if (owners.length === 0) return this.#scheduleReload();
    if (!owners.includes(undefined) && !(await this.#hasRoom())) return this.#scheduleReload(memoryWait);
    this.#reloadTimer.noteReload(now);
    for (const owner of owners) if (owner !== undefined) this.#budget.spend(owner, now);
    if (!(await this.#activate('reload'))) {
      this.#scheduleReload(this.#options.reloadInterval);
      return;
    }
    for (const cause of causes.length > 0 ? causes : (['spares'] as const)) this.#reloads[cause]++;
    this.#options.onReload?.(this.#outcome);
  }

  /** Starts HAProxy, or reloads one that runs with unknown files. Retries until it succeeds. */
  async #bringUp(): Promise<void> {
    const runs = (await this.#process.awaitMaster(masterTimeout)) !== undefined;
    if (runs) await this.#process.notePid();
    this.#reloadTimer.noteReload(performance.now());
    try {
      if (await this.#activate(runs ? 'reload' : 'start')) return this.#watch();
    } catch (error) {
      this.#report(`Cannot write the files of HAProxy: ${String(error)}`);
      // If the disk is full, the previous files are used.
      if (!runs && (await this.#disk.current()) !== undefined) await this.#process.spawn();
    }
    this.#retry();
  }

  #retry(): void {
    if (this.#stopped) return;
    this.#backoff = Math.min(this.#backoff * 2, longestBackoff);
    setTimeout(() => {
      void this.#enqueue(async () => {
        if (this.#stopped || this.isServing) return;
        await this.#bringUp();
      }).catch((error: unknown) => {
        this.#report(String(error));
        this.#retry();
      });
    }, this.#backoff).unref();
  }

  #watch(): void {
    void this.#process.watch(() => {
      void this.#enqueue(async () => {
        if (this.#stopped) return;
        this.#restarts++;
        this.#report('HAProxy exited; restarting it');
        // A failed write must not prevent the start, because a new generation contains the change, too.
        await this.#applier.flush().catch(() => {});
        this.#applier.leave();
        await this.#bringUp();
      }).catch((error: unknown) => {
        this.#report(String(error));
        this.#retry();
      });
    });
  }

  /** Runs commands that close connections of old workers. Most changes have none. */
  async #tellOldWorkers(commands: readonly string[]): Promise<void> {
    if (commands.length === 0) return;
    await this.#process
      .tellOldWorkers(commands)
      .catch((error: unknown) => this.#report(`Cannot close connections of old HAProxy workers: ${String(error)}`));
  }

  /** Writes a new generation and makes HAProxy load it. Returns false, with a reported problem, if it does not. */
  async #activate(how: 'start' | 'reload'): Promise<boolean> {
    const wanted = this.#wanted;
    if (wanted === undefined) return false;
    const previous = await this.#disk.current();
    const generation = `gen-${randomBytes(6).toString('hex')}-${process.pid}`;
    // The first HAProxy of a folder checks the files itself: a check would read 10,000 backends twice.
    const isFirst = how === 'start' && previous === undefined;
    const prepared = await this.#prepare(wanted, generation, !isFirst);
    if (prepared === undefined) return false;
    const failed = (await this.#process.processes())?.failed ?? 0;
    try {
      if (how === 'start') await this.#process.spawn();
      else await this.#process.reload(masterTimeout);
    } catch (error) {
      this.#report(`Cannot start HAProxy: ${String(error)}`);
    }
    // While HAProxy reads its files.
    const remembering = this.#generations.remember(prepared.inForce, generation).then(
      () => undefined,
      (error: unknown) => `Cannot write the state of HAProxy; the next agent reloads it: ${String(error)}`,
    );
    const isRunning = await this.#becomes(generation, how, failed);
    const problem = await remembering;
    if (!isRunning) {
      if (isFirst && !(await this.#process.isSpawned())) {
        // The link to the deleted files shows that the next ones are not the first.
        await this.#disk.remove(generation);
        return await this.#activate(how);
      }
      this.#report(`HAProxy failed to start: ${this.#process.lastWords() || 'see its log'}`);
      if (previous !== undefined) await this.#disk.use(previous);
      await this.#disk.remove(generation);
      return false;
    }
    await this.#process.notePid();
    await this.#process.untilOldStop(oldWorkerTimeout);
    await this.#tellOldWorkers(endClientsBetween(this.#applier.inForce?.state, prepared.inForce.state));
    this.#applier.enter(prepared.inForce, generation, prepared.maps);
    this.#health.noteAnswer();
    this.#outcome = { refused: prepared.refused, waiting: new Map(), pending: new Map(), pendingReload: false };
    this.#held = new Map();
    this.#report(problem);
    this.#backoff = firstBackoff;
    this.#quietenSoon([...prepared.inForce.layout.sections.keys()]);
    await this.#disk.removeOthers(generation);
    return true;
  }

  /** Disables checks that the state does not want, some at a time: changes come first, and HAProxy serves meanwhile. */
  #quietenSoon(ids: readonly string[]): void {
    if (ids.length === 0 || this.#stopped) return;
    void this.#enqueue(async () => {
      await this.#applier.quieten(ids.slice(0, quietedAtOnce));
      this.#quietenSoon(ids.slice(quietedAtOnce));
    }).catch((error: unknown) => this.#report(`Cannot disable health checks in HAProxy: ${String(error)}`));
  }

  /**
   * Makes a generation the next one that HAProxy loads. Deletes a generation that HAProxy would reject or that cannot
   * be written.
   *
   * @param checks whether HAProxy checks the files
   */
  async #prepare(wanted: HttpState, generation: string, checks: boolean): ReturnType<Generations['prepare']> {
    try {
      const prepared = await this.#generations.prepare(wanted, generation, checks);
      if (prepared === undefined) await this.#disk.remove(generation);
      else await this.#disk.use(generation);
      return prepared;
    } catch (error) {
      await this.#disk.remove(generation);
      throw error;
    }
  }

  /** Waits until the answering process has loaded a generation, or has failed to. */
  async #becomes(generation: string, how: 'start' | 'reload', failed: number): Promise<boolean> {
    const begun = performance.now();
    const until = begun + startTimeout;
    for (let now = begun; now < until; now = performance.now()) {
      // The master starts to listen slightly after its first worker. Before, there may be no socket to try.
      const answers = existsSync(this.#disk.path('admin.sock')) && (await this.#worker.generation()) === generation;
      if (answers && (await this.#process.processes()) !== undefined) return true;
      if (how === 'start' && !(await this.#process.isSpawned())) return false;
      if (how === 'reload') {
        const processes = await this.#process.processes();
        if (processes === undefined ? await this.#process.isGone() : processes.failed > failed) return false;
      }
      // Questions cost a HAProxy that reads 10,000 backends the time of a processor.
      await sleep(Math.min(longestPause, Math.max(shortestPause, (now - begun) * shareOfPause)));
    }
    return false;
  }
}

/** Returns the paths of the HAProxy of a folder. */
export function placeOf({ directory, binary }: Pick<EngineOptions, 'directory' | 'binary'>): ProcessPlace {
  return {
    binary,
    configuration: join(directory, 'current', 'conf'),
    masterSocket: join(directory, 'master.sock'),
    log: join(directory, 'haproxy.log'),
  };
}

function noReloads(): Record<ReloadCause, number> {
  const counts: Partial<Record<ReloadCause, number>> = {};
  for (const cause of reloadCauses) counts[cause] = 0;
  return counts as Record<ReloadCause, number>;
}
