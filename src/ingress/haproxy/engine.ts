import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBulk, readNewVersion, renderContent, renderNewVersion } from './bulk.ts';
import { type Command, renderCommand } from './command.ts';
import { applyToMaps, planChange } from './difference.ts';
import { Disk } from './disk.ts';
import { allEntries, type MapName, type Maps } from './entries.ts';
import { Generations } from './generations.ts';
import { askHealth, isFull } from './health.ts';
import { type HostResources, LocalHost, type ProcessPlace } from './host.ts';
import { emptySections, freeSections, type InForce, type Layout, lacksSpares } from './layout.ts';
import { lockFolder } from './lock.ts';
import { recall } from './memory.ts';
import type { HttpState } from './model.ts';
import { changedFiles } from './pending-files.ts';
import { HaproxyProcess } from './process.ts';
import { ReloadBudget } from './reload-budget.ts';
import { dueOwners, reloadWait } from './reload-owners.ts';
import type { ApplyOutcome, EngineOptions, EngineReport } from './report.ts';
import { makeSection } from './section.ts';
import { siftState } from './sift.ts';
import { isDone, RuntimeSocket } from './socket.ts';
import { countUsers, readStatRows, type StatRow } from './stats.ts';
import { type ReloadCause, reloadCauses } from './steps.ts';

/** In ms, how long a reload waits for a previous worker that does not react to its signal. */
const oldWorkerTimeout = 10_000;

/**
 * In ms: HAProxy waits a second before it retries a connection, and does not count the request at its server
 * meanwhile, so that the server could be deleted under it.
 */
const retryPause = 2000;

/** In ms, how long a master may read its configuration without answering. */
const masterTimeout = 60_000;

/** Milliseconds between two probes of HAProxy, and without an answer until it is killed. */
const healthInterval = 1000;
const defaultHangTimeout = 30_000;

/** Milliseconds until a reload is tried again for which there is no memory. */
const memoryWait = 5000;

const defaultBudget = { burst: 5, refill: 60_000 };

/**
 * One HAProxy that serves what a state says. Changes go to the running process and to its files; what it
 * cannot change reloads it, as seldom as the interval says.
 */
export class HaproxyEngine {
  readonly #options: EngineOptions;
  readonly #disk: Disk;
  readonly #process: HaproxyProcess;
  readonly #reloads: Record<ReloadCause, number> = noReloads();
  readonly #generations: Generations;
  readonly #since = new Map<string, number>();
  #lock: Server | undefined;
  #wanted: HttpState | undefined;
  #inForce: InForce | undefined;
  #maps: Maps = new Map();
  #generation = '';
  #socket: RuntimeSocket | undefined;
  #outcome: ApplyOutcome = { refused: [], waiting: new Map(), pendingReload: false };
  #problem: string | undefined;
  #restarts = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #lastReload = Number.NEGATIVE_INFINITY;
  readonly #budget: ReloadBudget;
  #reloadTimer: NodeJS.Timeout | undefined;
  #reloadAt = Number.POSITIVE_INFINITY;
  #healthTimer: NodeJS.Timeout | undefined;
  /** When HAProxy was last known to answer requests. */
  #answeredAt = performance.now();
  #flushTimer: NodeJS.Timeout | undefined;
  #janitor: NodeJS.Timeout | undefined;
  /** Commands that HAProxy refused since it read its files, and why; the next reload does what they were to do. */
  #refusals: readonly string[] = [];
  #unwritten: Command[] = [];
  #writtenAt: InForce | undefined;
  #stopped = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#disk = new Disk(options.directory);
    const place = placeOf(options);
    this.#process = new HaproxyProcess(place, options.host ?? new LocalHost(place));
    this.#budget = new ReloadBudget(options.budget ?? defaultBudget);
    this.#generations = new Generations(options, this.#disk, this.#process, (problem) => this.#tell(problem));
  }

  /**
   * Takes over the HAProxy that an earlier supervisor left in the folder, or starts one, and serves the
   * state. Throws where another process supervises it; where HAProxy does not start, it is tried again
   * and `describe` tells why.
   */
  async start(state: HttpState): Promise<ApplyOutcome> {
    return await this.#enqueue(async () => {
      await this.#takeFolder();
      this.#wanted = state;
      if (!(await this.#adopt())) await this.#bringUp();
      this.#askHealthSoon();
      this.#janitor = setInterval(() => void this.#enqueue(async () => await this.#tidy()).catch(() => {}), 1000);
      this.#janitor.unref();
      return this.#inForce === undefined ? this.#outcome : await this.#applyNow();
    });
  }

  /**
   * Lets HAProxy serve what an earlier supervisor left in the folder, while no state is known yet. Does
   * nothing where one runs, or where there is nothing to serve.
   */
  async resume(): Promise<void> {
    await this.#enqueue(async () => {
      if (this.#stopped || this.#wanted !== undefined || (await this.#disk.current()) === undefined) return;
      await this.#takeFolder();
      if ((await this.#process.awaitMaster(masterTimeout)) === undefined) await this.#process.spawn();
    });
  }

  /** Throws where another process supervises it. */
  async #takeFolder(): Promise<void> {
    if (this.#lock !== undefined) return;
    await mkdir(this.#disk.directory, { recursive: true, mode: 0o700 });
    await chmod(this.#disk.directory, 0o700);
    await mkdir(this.#disk.path('jail'), { recursive: true, mode: 0o711 });
    this.#lock = await lockFolder(this.#disk.directory);
  }

  /** Brings a state into force as far as that goes without a reload; the rest waits for one. */
  async apply(state: HttpState): Promise<ApplyOutcome> {
    this.#wanted = state;
    return await this.#enqueue(async () => (this.#inForce === undefined ? this.#outcome : await this.#applyNow()));
  }

  /** Whether HAProxy serves what we know of; what waits or was refused is another matter. */
  get isServing(): boolean {
    return this.#inForce !== undefined;
  }

  /** Milliseconds since HAProxy last answered a request. */
  get silence(): number {
    return performance.now() - this.#answeredAt;
  }

  /** What the container that HAProxy runs in has for it. */
  async resources(): Promise<HostResources> {
    return await this.#process.resources();
  }

  /** Statistics by the state's names; servers only when asked for. */
  async readStats(options: { readonly servers: boolean }): Promise<StatRow[]> {
    const inForce = this.#inForce;
    const socket = await this.#open();
    if (inForce === undefined) return [];
    // Frontends 1, backends 2, servers 4.
    const [text = ''] = await socket.run([`show stat -1 ${options.servers ? 7 : 3} -1`]);
    return readStatRows(text, inForce);
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
   * Ends HAProxy: it serves on for `delay`, then takes no new connections and ends when the last is
   * over, or after `drain`.
   */
  async stop({ delay, drain }: { readonly delay: number; readonly drain: number }): Promise<void> {
    await sleep(delay);
    await this.#release();
    await this.#process.end(drain);
    this.#process.close();
  }

  /** Resolves when the files are those of what is in force. */
  async settle(): Promise<void> {
    await this.#enqueue(async () => await this.#flush());
  }

  /** Lets HAProxy serve on by itself, for the next supervisor to take over. */
  async release(): Promise<void> {
    await this.#release();
    this.#process.close();
  }

  async #release(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#reloadTimer);
    clearTimeout(this.#flushTimer);
    clearInterval(this.#janitor);
    clearTimeout(this.#healthTimer);
    this.#process.unwatch();
    // `state/changing` marks files that could not be written, so that the next supervisor reloads.
    await this.#enqueue(async () => await this.#flush()).catch((error: unknown) => this.#tell(String(error)));
    this.#socket?.close();
    this.#lock?.close();
  }

  /** One thing after the other. */
  async #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => {});
    return await result;
  }

  #tell(problem: string | undefined): void {
    const isNews = problem !== this.#problem;
    this.#problem = problem;
    if (isNews) this.#options.onProblem?.(problem);
  }

  async #open(): Promise<RuntimeSocket> {
    if (this.#socket?.open !== true) this.#socket = await RuntimeSocket.open(this.#disk.path('admin.sock'));
    return this.#socket;
  }

  /** Goes on from what an earlier supervisor left, if HAProxy runs by those very files. */
  async #adopt(): Promise<boolean> {
    const generation = await this.#disk.current();
    if ((await this.#process.awaitMaster(masterTimeout)) === undefined || generation === undefined) return false;
    const inForce = await recall(this.#disk.path(generation));
    if (inForce === undefined || !(await this.#generations.isOurs(inForce, generation))) return false;
    if ((await this.#answering()) !== generation) return false;
    await this.#process.untilOldStop(oldWorkerTimeout);
    this.#enter(inForce, generation);
    await this.#process.notePid();
    this.#watch();
    await this.#disk.removeOthers(generation);
    return true;
  }

  /** Which generation the process that answers has read. */
  async #answering(): Promise<string | undefined> {
    try {
      // Short: it may be a worker that hangs, and another is awaited in its place.
      const socket = await RuntimeSocket.open(this.#disk.path('admin.sock'), 1000);
      const [info = ''] = await socket.run(['show info']).finally(() => socket.close());
      return /^description: (\S+)/im.exec(info)?.[1];
    } catch {
      return undefined;
    }
  }

  #enter(inForce: InForce, generation: string): void {
    this.#inForce = inForce;
    this.#writtenAt = inForce;
    this.#generation = generation;
    this.#maps = allEntries(inForce);
    this.#unwritten = [];
    this.#refusals = [];
    this.#since.clear();
    for (const key of inForce.layout.leaving.keys()) this.#since.set(key, performance.now());
    this.#socket?.close();
    this.#socket = undefined;
    this.#answeredAt = performance.now();
  }

  async #applyNow(): Promise<ApplyOutcome> {
    const before = this.#inForce;
    const wanted = this.#wanted;
    if (before === undefined || wanted === undefined) return this.#outcome;
    const { state, refused } = siftState(wanted, this.#generations.banned);
    const { commands, after, waiting } = planChange(before, state);
    const causes = new Map(waiting);
    if (commands.length > 0) {
      await this.#markChanging();
      const bulk = findBulk(commands, this.#maps);
      applyToMaps(this.#maps, commands);
      this.#refusals = [...this.#refusals, ...(await this.#give(commands, bulk))].slice(0, 20);
      // Not by push: hundreds of thousands are more than a call has arguments.
      this.#unwritten = this.#unwritten.concat(commands);
      for (const key of after.layout.leaving.keys()) if (!this.#since.has(key)) this.#since.set(key, performance.now());
      this.#flushSoon();
    }
    this.#inForce = after;
    if (this.#refusals.length > 0) causes.set('refused', this.#refusals);
    const pendingReload = causes.size > 0 || lacksSpares(after.layout, after.state.settings.spareBackends);
    this.#outcome = { refused, waiting: causes, pendingReload };
    if (pendingReload) this.#scheduleReload();
    return this.#outcome;
  }

  /** Files are written shortly after the runtime commands; failed writes are retried. */
  #flushSoon(wait = 250): void {
    if (this.#stopped) return;
    this.#flushTimer ??= setTimeout(() => {
      void this.#enqueue(async () => await this.#flush()).catch((error: unknown) => {
        this.#tell(`Cannot write the files of HAProxy: ${String(error)}`);
        this.#flushSoon(1000);
      });
    }, wait);
  }

  /** Until the files are written, a supervisor that comes after us must not believe them. */
  async #markChanging(): Promise<void> {
    if (this.#unwritten.length > 0) return;
    try {
      await writeFile(this.#disk.path(this.#generation, 'state', 'changing'), '');
    } catch {
      // No room for one more file: what is remembered must not be believed either, and is written again.
      await rm(this.#disk.path(this.#generation, 'state', 'main.json'), { force: true });
    }
  }

  /**
   * Gives commands to the worker; says which were refused, and why.
   *
   * @param bulk maps that are replaced as a whole instead of deleting entries
   */
  async #give(commands: readonly Command[], bulk: ReadonlySet<MapName>): Promise<string[]> {
    const failures: string[] = [];
    const room = (this.#inForce?.state.settings.process.bufsize ?? 0) - 1024;
    const run = async (socket: RuntimeSocket, lines: readonly string[]): Promise<void> => {
      // Not all at once: HAProxy would hold the answers of thousands in memory.
      for (let i = 0; i < lines.length; i += 500) {
        const some = lines.slice(i, i + 500);
        const answers = await socket.run(some);
        for (const [at, answer] of answers.entries()) {
          if (!isDone(answer)) failures.push(`${(some[at] ?? '').split('\n')[0]}: ${answer.split('\n').at(-1)}`);
        }
      }
    };
    try {
      const socket = await this.#open();
      const singly = commands.filter((command) => command.kind !== 'delete-entry' || !bulk.has(command.map));
      await run(socket, singly.flatMap(renderCommand));
      for (const map of bulk) {
        const [answer = ''] = await socket.run([renderNewVersion(map)]);
        const version = readNewVersion(answer);
        if (version === undefined) failures.push(`${renderNewVersion(map)}: ${answer}`);
        else await run(socket, renderContent(map, version, this.#maps.get(map) ?? new Map(), room));
      }
    } catch (error) {
      failures.push(String(error));
    }
    // No problem of HAProxy's: what one Route asks for must not make a node unready. The outcome names them.
    return failures;
  }

  /** @param least milliseconds to wait at least */
  #scheduleReload(least = 0): void {
    if (this.#stopped) return;
    const now = performance.now();
    const wait = Math.max(least, this.#lastReload + this.#options.reloadInterval - now, this.#budgetWait(now));
    // A change that need not wait as long brings the others into force, too.
    if (now + wait >= this.#reloadAt) return;
    clearTimeout(this.#reloadTimer);
    this.#reloadAt = now + wait;
    this.#reloadTimer = setTimeout(() => {
      void this.#enqueue(async () => {
        this.#reloadAt = Number.POSITIVE_INFINITY;
        if (!this.#stopped) await this.#reload();
      }).catch((error: unknown) => {
        this.#tell(`Cannot reload HAProxy: ${String(error)}`);
        this.#scheduleReload(1000);
      });
    }, wait);
  }

  #budgetWait(now: number): number {
    const { ownerOf } = this.#options;
    if (ownerOf === undefined || this.#inForce === undefined) return 0;
    return reloadWait(this.#outcome.waiting, this.#inForce.layout, ownerOf, this.#budget, now);
  }

  /** Whether memory allows one more worker beside the old ones, whose connections go on. */
  async #hasRoom(): Promise<boolean> {
    const { oldWorkers = [] } = (await this.#process.processes()) ?? {};
    if (oldWorkers.length === 0) return true;
    const { memoryAvailable, workerMemory } = await this.#process.resources();
    if (memoryAvailable === undefined || workerMemory === undefined || memoryAvailable > 1.5 * workerMemory)
      return true;
    this.#tell(
      `Memory allows no further worker of HAProxy beside ${oldWorkers.length} old ones, which still have connections; ` +
        'the reload waits: raise the memory limit, or end them in time with --hard-stop-after',
    );
    return false;
  }

  /** Asks again and again whether HAProxy answers; starts it again when it has not for too long. */
  #askHealthSoon(): void {
    clearTimeout(this.#healthTimer);
    if (this.#stopped) return;
    this.#healthTimer = setTimeout(() => {
      void this.#checkHealth()
        .catch((error: unknown) => this.#tell(`Cannot ask HAProxy whether it answers: ${String(error)}`))
        .finally(() => this.#askHealthSoon());
    }, healthInterval);
    this.#healthTimer.unref();
  }

  async #checkHealth(): Promise<void> {
    const asked = performance.now();
    if (this.#inForce === undefined || (await askHealth(this.#disk.path('health.sock'))) || (await this.#isFull())) {
      this.#answeredAt = asked;
      return;
    }
    const limit = this.#options.hangTimeout ?? defaultHangTimeout;
    if (this.silence < limit || this.#stopped) return;
    this.#tell(`HAProxy has answered no request for ${Math.round(this.silence / 1000)} s; it is started again`);
    this.#answeredAt = performance.now();
    // Not in the queue: what waits there may wait for the very worker that hangs.
    await this.#process.destroy();
  }

  /** Clients may take every connection that is allowed: the listeners rest then, and HAProxy does not hang. */
  async #isFull(): Promise<boolean> {
    try {
      const socket = await RuntimeSocket.open(this.#disk.path('admin.sock'), 1000);
      const [info = ''] = await socket.run(['show info']).finally(() => socket.close());
      return isFull(info);
    } catch {
      return false;
    }
  }

  async #reload(): Promise<void> {
    // What waits may have gone meanwhile.
    if (this.#inForce === undefined) return;
    const causes = [...this.#outcome.waiting.keys()];
    if (!this.#outcome.pendingReload) return;
    const now = performance.now();
    const { ownerOf } = this.#options;
    const owners =
      ownerOf === undefined
        ? [undefined]
        : dueOwners(this.#outcome.waiting, this.#inForce.layout, ownerOf, this.#budget, now);
    // Who had to wait when this was planned may have withdrawn the change, or another may have none left.
    if (owners.length === 0) return this.#scheduleReload();
    if (!owners.includes(undefined) && !(await this.#hasRoom())) return this.#scheduleReload(memoryWait);
    this.#lastReload = now;
    for (const owner of owners) if (owner !== undefined) this.#budget.spend(owner, now);
    if (!(await this.#activate('reload'))) {
      this.#scheduleReload(this.#options.reloadInterval);
      return;
    }
    for (const cause of causes.length > 0 ? causes : (['spares'] as const)) this.#reloads[cause]++;
    this.#options.onReload?.(this.#outcome);
  }

  /** Starts HAProxy, or reloads one that runs by files that we do not know; tries again until it works. */
  async #bringUp(): Promise<void> {
    const runs = (await this.#process.awaitMaster(masterTimeout)) !== undefined;
    if (runs) await this.#process.notePid();
    this.#lastReload = performance.now();
    try {
      if (await this.#activate(runs ? 'reload' : 'start')) return this.#watch();
    } catch (error) {
      this.#tell(`Cannot write the files of HAProxy: ${String(error)}`);
      // Without room for new files, the previous ones serve.
      if (!runs && (await this.#disk.current()) !== undefined) await this.#process.spawn();
    }
    this.#retry();
  }

  #backOff = 100;

  #retry(): void {
    if (this.#stopped) return;
    this.#backOff = Math.min(this.#backOff * 2, 10_000);
    setTimeout(() => {
      void this.#enqueue(async () => {
        if (this.#stopped || this.#inForce !== undefined) return;
        await this.#bringUp();
      }).catch((error: unknown) => {
        this.#tell(String(error));
        this.#retry();
      });
    }, this.#backOff).unref();
  }

  #watch(): void {
    void this.#process.watch(() => {
      void this.#enqueue(async () => {
        if (this.#stopped) return;
        this.#restarts++;
        this.#tell('HAProxy ended; it is started again');
        // What cannot be written is no reason not to start: a new generation has it too.
        await this.#flush().catch(() => {});
        this.#inForce = undefined;
        await this.#bringUp();
      }).catch((error: unknown) => {
        this.#tell(String(error));
        this.#retry();
      });
    });
  }

  /** Writes a new generation and makes HAProxy read it; false, with a problem told, where it does not. */
  async #activate(how: 'start' | 'reload'): Promise<boolean> {
    const wanted = this.#wanted;
    if (wanted === undefined) return false;
    const previous = await this.#disk.current();
    const generation = `gen-${randomBytes(6).toString('hex')}-${process.pid}`;
    const prepared = await this.#prepare(wanted, generation);
    if (prepared === undefined) return false;
    const failed = (await this.#process.processes())?.failed ?? 0;
    try {
      if (how === 'start') await this.#process.spawn();
      else await this.#process.reload();
    } catch (error) {
      this.#tell(`Cannot start HAProxy: ${String(error)}`);
    }
    if (!(await this.#becomes(generation, how, failed))) {
      this.#tell(`HAProxy does not start: ${this.#process.lastWords() || 'see its log'}`);
      if (previous !== undefined) await this.#disk.use(previous);
      await this.#disk.remove(generation);
      return false;
    }
    await this.#process.notePid();
    await this.#process.untilOldStop(oldWorkerTimeout);
    this.#enter(prepared.inForce, generation);
    this.#outcome = { refused: prepared.refused, waiting: new Map(), pendingReload: false };
    this.#tell(undefined);
    this.#backOff = 100;
    await this.#quieten(prepared.inForce);
    await this.#disk.removeOthers(generation);
    return true;
  }

  /** Makes a generation the next that HAProxy reads; leaves nothing of one that it would not, or that cannot be written. */
  async #prepare(wanted: HttpState, generation: string): ReturnType<Generations['prepare']> {
    try {
      const prepared = await this.#generations.prepare(wanted, generation);
      if (prepared === undefined) await this.#disk.remove(generation);
      else await this.#disk.use(generation);
      return prepared;
    } catch (error) {
      await this.#disk.remove(generation);
      throw error;
    }
  }

  /** Waits until the process that answers has read a generation, or will not. */
  async #becomes(generation: string, how: 'start' | 'reload', failed: number): Promise<boolean> {
    const until = performance.now() + 120_000;
    while (performance.now() < until) {
      // The master listens a little later than its first worker.
      const answers = (await this.#answering()) === generation;
      if (answers && (await this.#process.processes()) !== undefined) return true;
      if (how === 'start' && !(await this.#process.isSpawned())) return false;
      if (how === 'reload') {
        const processes = await this.#process.processes();
        if (processes === undefined ? await this.#process.isGone() : processes.failed > failed) return false;
      }
      await sleep(10);
    }
    return false;
  }

  /** Every server has a check; it is disabled where it is not wanted. */
  async #quieten(inForce: InForce): Promise<void> {
    const lines: string[] = [];
    for (const [id, section] of inForce.layout.sections) {
      const backend = inForce.state.backends.get(id);
      if (backend === undefined || backend.servers.every(({ checked }) => checked)) continue;
      for (const server of makeSection(backend, inForce.state.authorities).servers.values()) {
        if (!server.checked) lines.push(`disable health ${section}/${server.name}`);
      }
    }
    const socket = await this.#open();
    for (let i = 0; i < lines.length; i += 500) await socket.run(lines.slice(i, i + 500));
  }

  /** Writes what changed since the last time into the files of the generation. */
  async #flush(): Promise<void> {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const inForce = this.#inForce;
    const before = this.#writtenAt;
    if (inForce === undefined || before === undefined || this.#unwritten.length === 0) return;
    const files = changedFiles(before, inForce, this.#maps, this.#unwritten);
    await this.#disk.update(this.#generation, files);
    await this.#disk.update(this.#generation, new Map([['state/changing', undefined]]));
    this.#unwritten = [];
    this.#writtenAt = inForce;
  }

  /** Deletes servers that have no connection any more; frees sections without requests. */
  async #tidy(): Promise<void> {
    const inForce = this.#inForce;
    if (inForce === undefined || this.#stopped) return;
    if (inForce.layout.leaving.size === 0 && inForce.layout.resting.size === 0) return;
    const socket = await this.#open();
    const leaving = await this.#deleteServers(socket, inForce.layout.leaving);
    const layout = { ...inForce.layout, leaving };
    this.#inForce = { ...inForce, layout: freeSections(layout, await this.#idleSections(socket, layout)) };
  }

  /** Deletes servers without a connection; resolves to those that remain. */
  async #deleteServers(socket: RuntimeSocket, leaving: Layout['leaving']): Promise<Layout['leaving']> {
    const now = performance.now();
    const left = new Map(leaving);
    const some = [...leaving.keys()].filter((key) => now - (this.#since.get(key) ?? 0) > retryPause).slice(0, 1000);
    const late = some.filter((key) => now - (this.#since.get(key) ?? now) > this.#options.drainTimeout);
    await socket.run(late.map((key) => `shutdown sessions server ${key}`));
    const answers = await socket.run(some.map((key) => `del server ${key}`));
    for (const [i, key] of some.entries()) {
      if (!/^Server deleted|No such server/.test(answers[i] ?? '')) continue;
      left.delete(key);
      this.#since.delete(key);
    }
    return left;
  }

  /**
   * Sections that can be reused. Their use has ended in `tenancies.map`, so that no request enters any more, and
   * a request that entered before counts among the section's sessions until it ends, also while it waits for a retry.
   */
  async #idleSections(socket: RuntimeSocket, layout: Layout): Promise<string[]> {
    // The end of a use may be among the commands that HAProxy refused; the reload that follows makes new sections.
    if (this.#refusals.length > 0) return [];
    const some = emptySections(layout).slice(0, 500);
    const answers = await socket.run(some.map((section) => `show stat ${section} 2 -1`));
    return some.filter((_, i) => countUsers(answers[i] ?? '') === 0);
  }
}

/** Where the HAProxy of a folder is. */
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
