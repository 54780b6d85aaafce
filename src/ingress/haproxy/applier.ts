import { rm, writeFile } from 'node:fs/promises';
import { changedKeys } from '../../base/model/layered-map.ts';
import { findBulk, readNewVersion, renderContent, renderNewVersion } from './bulk.ts';
import { type Command, renderCommand } from './command.ts';
import { applyToMaps, planChange } from './difference.ts';
import type { Disk } from './disk.ts';
import { allEntries } from './entries.ts';
import { emptySections, freeSections, type InForce, type Layout } from './layout.ts';
import { ListLoader, type Ready } from './list-loader.ts';
import type { MapName, Maps } from './maps.ts';
import type { Backend, HttpState } from './model.ts';
import { endClients } from './old-workers.ts';
import { changedFiles } from './pending-files.ts';
import { makeSection } from './section.ts';
import { countUsers, readStatRows, type StatRow } from './stats.ts';
import type { ReloadCause } from './steps.ts';
import type { Worker } from './worker.ts';

/**
 * Milliseconds. HAProxy waits a second before it retries a connection, and does not count the request at its server
 * in the meantime, so the server could be deleted too early.
 */
const retryPause = 2000;

/** Milliseconds from a command until the files contain it, and until a failed write is retried. */
const flushWait = 250;
const flushRetry = 1000;

/** Milliseconds between flushes while more lists follow, since each flush writes the file of all networks. */
const longFlushWait = 15_000;

/** Dependencies of an applier. Times are in milliseconds. */
export interface ApplierOptions {
  readonly disk: Disk;
  readonly worker: Worker;
  /** Runs commands in the workers of earlier reloads. */
  readonly tellOldWorkers: (commands: readonly string[]) => Promise<void>;
  /** Connections to a removed server end after this time. */
  readonly drainTimeout: number;
  /** Runs a task after all earlier ones. */
  readonly enqueue: <T>(task: () => Promise<T>) => Promise<T>;
  readonly onProblem: (problem: string) => void;
}

/**
 * Compares a state with the applied one. Applies the difference to the worker with commands, and shortly afterwards
 * to the files of its generation. What commands cannot change waits for a reload.
 */
export class Applier {
  readonly #options: ApplierOptions;
  readonly #lists: ListLoader;
  #inForce: InForce | undefined;
  #generation = '';
  #maps: Maps = new Map();
  /** When each leaving server was retired. */
  readonly #since = new Map<string, number>();
  /** Commands that HAProxy rejected since it read its files, with reasons. The next reload corrects them. */
  #refusals: readonly string[] = [];
  #unwritten: Command[] = [];
  #writtenAt: InForce | undefined;
  #flushTimer: NodeJS.Timeout | undefined;
  #janitor: NodeJS.Timeout | undefined;
  /** Whether backends wait for their allow-lists. */
  #isLoading = false;
  #isStopped = false;

  constructor(options: ApplierOptions) {
    this.#options = options;
    const { worker } = options;
    this.#lists = new ListLoader({
      give: async (commands) => await worker.give(commands),
      ask: async (command) => (await worker.run([command]))[0] ?? '',
      room: () => (this.#inForce === undefined ? 0 : roomOf(this.#inForce)),
    });
  }

  /** The applied state. Undefined while HAProxy is not running, or runs with unknown files. */
  get inForce(): InForce | undefined {
    return this.#inForce;
  }

  /**
   * Resumes from the state that HAProxy has loaded.
   *
   * @param maps entries of the state; they change with it
   */
  enter(inForce: InForce, generation: string, maps = allEntries(inForce)): void {
    this.#inForce = inForce;
    this.#writtenAt = inForce;
    this.#generation = generation;
    this.#maps = maps;
    this.#unwritten = [];
    this.#refusals = [];
    this.#since.clear();
    this.#noteLeaving(inForce.layout);
    this.#lists.enter(inForce.state);
    this.#options.worker.close();
  }

  /** Discards the applied state, because HAProxy exited. */
  leave(): void {
    this.#inForce = undefined;
  }

  /** Starts to delete retired servers and free sections once per second. */
  startTidying(): void {
    const { enqueue } = this.#options;
    this.#janitor = setInterval(() => void enqueue(async () => await this.#tidy()).catch(() => {}), 1000);
    this.#janitor.unref();
  }

  /** Stops the timers. `flush` can still be called. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#flushTimer);
    clearInterval(this.#janitor);
  }

  /** Returns the state without changes that wait until {@link loadLists} has loaded their allow-lists. */
  holdBack(before: InForce, wanted: HttpState): Ready {
    return this.#lists.holdBack(before.state, wanted);
  }

  /** Loads one slice for backends that wait. Returns whether to apply the state again or to continue loading. */
  async loadLists(held: ReadonlyMap<string, Backend>): Promise<'apply' | 'load'> {
    try {
      const { isComplete, failures } = await this.#lists.load(held);
      this.#noteRefusals(failures);
      return isComplete || failures.length > 0 ? 'apply' : 'load';
    } catch (error) {
      this.#noteRefusals([String(error)]);
      return 'apply';
    }
  }

  /** Whether a rejected command prevents loading lists until the next reload. */
  get isStuck(): boolean {
    return this.#refusals.length > 0;
  }

  /**
   * Applies a state as far as commands can. Returns the changes that wait for a reload, by cause.
   *
   * @param isPart whether more changes follow soon
   */
  async apply(before: InForce, state: HttpState, isPart = false): Promise<ReadonlyMap<ReloadCause, readonly string[]>> {
    this.#isLoading = isPart;
    const { commands, after, waiting } = planChange(before, state);
    const causes = new Map(waiting);
    if (commands.length > 0) {
      await this.#markChanging();
      const bulk = findBulk(commands, this.#maps);
      applyToMaps(this.#maps, commands);
      await this.#options.tellOldWorkers(endClients(commands));
      this.#noteRefusals(await this.#give(commands, bulk, before, state));
      // Not with push: a call cannot have hundreds of thousands of arguments.
      this.#unwritten = this.#unwritten.concat(commands);
      this.#noteLeaving(after.layout);
      this.#flushSoon(isPart ? longFlushWait : flushWait);
    }
    this.#inForce = after;
    if (this.#refusals.length > 0) causes.set('refused', this.#refusals);
    return causes;
  }

  /** Disables the checks of servers that have none in the applied state, of some backends. Throws SocketError. */
  async quieten(ids: readonly string[]): Promise<void> {
    const inForce = this.#inForce;
    if (inForce === undefined) return;
    const { state, layout } = inForce;
    const lines: string[] = [];
    for (const id of ids) {
      const [backend, section] = [state.backends.get(id), layout.sections.get(id)];
      if (backend === undefined || section === undefined) continue;
      if (backend.checkInterval > 0 && backend.servers.every(({ checked }) => checked)) continue;
      for (const server of makeSection(backend, state.authorities).servers.values()) {
        if (!server.checked) lines.push(`disable health ${section}/${server.name}`);
      }
    }
    await this.#options.worker.run(lines);
  }

  /** Returns statistics with the names of the state. Throws SocketError. */
  async readStats({ servers }: { readonly servers: boolean }): Promise<StatRow[]> {
    const inForce = this.#inForce;
    if (inForce === undefined) return [];
    // Bits: frontends 1, backends 2, servers 4.
    const [text = ''] = await this.#options.worker.run([`show stat -1 ${servers ? 7 : 3} -1`]);
    return readStatRows(text, inForce);
  }

  /** Writes the changes since the last call to the files of the generation. */
  async flush(): Promise<void> {
    const { disk } = this.#options;
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const inForce = this.#inForce;
    const before = this.#writtenAt;
    if (inForce === undefined || before === undefined || this.#unwritten.length === 0) return;
    const files = changedFiles(before, inForce, this.#maps, this.#unwritten);
    await disk.update(this.#generation, files);
    await disk.update(this.#generation, new Map([['state/changing', undefined]]));
    this.#unwritten = [];
    this.#writtenAt = inForce;
  }

  #flushSoon(wait = flushWait): void {
    if (this.#isStopped) return;
    this.#flushTimer ??= setTimeout(() => {
      const { enqueue, onProblem } = this.#options;
      void enqueue(async () => await this.flush()).catch((error: unknown) => {
        onProblem(`Cannot write the files of HAProxy: ${String(error)}`);
        this.#flushSoon(flushRetry);
      });
    }, wait);
  }

  #noteLeaving({ leaving }: Layout): void {
    for (const key of leaving.keys()) if (!this.#since.has(key)) this.#since.set(key, performance.now());
  }

  /** Marks the files as older than the worker, so that the next supervisor does not trust them. */
  async #markChanging(): Promise<void> {
    const { disk } = this.#options;
    if (this.#unwritten.length > 0) return;
    try {
      await writeFile(disk.path(this.#generation, 'state', 'changing'), '');
    } catch {
      // The disk is full. Without main.json, no supervisor trusts the other files.
      await rm(disk.path(this.#generation, 'state', 'main.json'), { force: true });
    }
  }

  /**
   * Sends commands to the worker and returns the rejected ones with reasons. Rejections are not a problem of HAProxy:
   * one Route must not make a node unready.
   *
   * @param bulk maps that are replaced as a whole instead of deleting entries
   */
  async #give(
    commands: readonly Command[],
    bulk: ReadonlySet<MapName>,
    before: InForce,
    { backends }: HttpState,
  ): Promise<string[]> {
    const { worker } = this.#options;
    const room = roomOf(before);
    const failures: string[] = [];
    try {
      const changed = [...changedKeys(before.state.backends, backends)];
      failures.push(...(await this.#lists.loadShort(changed.flatMap((id) => backends.get(id) ?? []))));
      const singly = commands.filter((command) => command.kind !== 'delete-entry' || !bulk.has(command.map));
      failures.push(...(await worker.give(singly.flatMap(renderCommand))));
      for (const map of bulk) {
        const [answer = ''] = await worker.run([renderNewVersion(map)]);
        const version = readNewVersion(answer);
        if (version === undefined) failures.push(`${renderNewVersion(map)}: ${answer}`);
        else failures.push(...(await worker.give(renderContent(map, version, this.#maps.get(map) ?? new Map(), room))));
      }
    } catch (error) {
      failures.push(String(error));
    }
    return failures;
  }

  #noteRefusals(failures: readonly string[]): void {
    this.#refusals = [...this.#refusals, ...failures].slice(0, 20);
  }

  /** Removes unused lists, in slices between other tasks. */
  async #tidyLists(): Promise<void> {
    if (this.#inForce === undefined || this.#isStopped || this.isStuck) return;
    if (!(await this.#lists.tidy(this.#inForce.state.backends.values(), this.#isLoading))) return;
    void this.#options.enqueue(async () => await this.#tidyLists()).catch(() => {});
  }

  /** Deletes servers without connections, and frees sections without requests. */
  async #tidy(): Promise<void> {
    await this.#tidyLists();
    const inForce = this.#inForce;
    if (inForce === undefined || this.#isStopped) return;
    if (inForce.layout.leaving.size === 0 && inForce.layout.resting.size === 0) return;
    const leaving = await this.#deleteServers(inForce.layout.leaving);
    const layout = { ...inForce.layout, leaving };
    this.#inForce = { ...inForce, layout: freeSections(layout, await this.#idleSections(layout)) };
  }

  /** Deletes servers without connections. Resolves to the remaining ones. */
  async #deleteServers(leaving: Layout['leaving']): Promise<Layout['leaving']> {
    const { worker, drainTimeout } = this.#options;
    const now = performance.now();
    const left = new Map(leaving);
    const some = [...leaving.keys()].filter((key) => now - (this.#since.get(key) ?? 0) > retryPause).slice(0, 1000);
    const late = some.filter((key) => now - (this.#since.get(key) ?? now) > drainTimeout);
    await worker.run(late.map((key) => `shutdown sessions server ${key}`));
    const answers = await worker.run(some.map((key) => `del server ${key}`));
    for (const [i, key] of some.entries()) {
      if (!/^Server deleted|No such server/.test(answers[i] ?? '')) continue;
      left.delete(key);
      this.#since.delete(key);
    }
    return left;
  }

  /**
   * Resolves to the sections that can be reused. Their use has ended in `tenancies.map`, so no request enters any
   * more, and earlier requests count among the section's sessions until they end, including the time between retries.
   */
  async #idleSections(layout: Layout): Promise<string[]> {
    // The end of a use may be among the rejected commands; the following reload creates new sections.
    if (this.#refusals.length > 0) return [];
    const some = emptySections(layout).slice(0, 500);
    const answers = await this.#options.worker.run(some.map((section) => `show stat ${section} 2 -1`));
    return some.filter((_, i) => countUsers(answers[i] ?? '') === 0);
  }
}

/** Bytes of content that one command can have. */
function roomOf({ state }: InForce): number {
  return state.settings.process.bufsize - 1024;
}
