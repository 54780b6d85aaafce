import { rm, writeFile } from 'node:fs/promises';
import { findBulk, readNewVersion, renderContent, renderNewVersion } from './bulk.ts';
import { type Command, renderCommand } from './command.ts';
import { applyToMaps, planChange } from './difference.ts';
import type { Disk } from './disk.ts';
import { allEntries, type MapName, type Maps } from './entries.ts';
import { emptySections, freeSections, type InForce, type Layout } from './layout.ts';
import { ListLoader, type Ready } from './list-loader.ts';
import type { Backend, HttpState } from './model.ts';
import { changedFiles } from './pending-files.ts';
import { makeSection } from './section.ts';
import { countUsers, readStatRows, type StatRow } from './stats.ts';
import type { ReloadCause } from './steps.ts';
import type { Worker } from './worker.ts';

/**
 * In ms: HAProxy waits a second before it retries a connection, and does not count the request at its server
 * meanwhile, so that the server could be deleted under it.
 */
const retryPause = 2000;

/** Milliseconds from a command until the files have it, and until a failed write is retried. */
const flushWait = 250;
const flushRetry = 1000;

/** Milliseconds while more lists are to come: each time, the file of all networks is written. */
const longFlushWait = 15_000;

/** What an applier needs of its engine. Times are milliseconds. */
export interface ApplierOptions {
  readonly disk: Disk;
  readonly worker: Worker;
  /** Connections to a removed server are ended after this. */
  readonly drainTimeout: number;
  /** Runs a task when all earlier ones are done. */
  readonly enqueue: <T>(task: () => Promise<T>) => Promise<T>;
  readonly onProblem: (problem: string) => void;
}

/**
 * Compares a state with the one in force and applies the difference to the worker by commands, and to the
 * files of its generation shortly after. What commands cannot change waits for a reload.
 */
export class Applier {
  readonly #options: ApplierOptions;
  readonly #lists: ListLoader;
  #inForce: InForce | undefined;
  #generation = '';
  #maps: Maps = new Map();
  /** When each leaving server was retired. */
  readonly #since = new Map<string, number>();
  /** Commands that HAProxy rejected since it read its files, and why; the next reload makes up for them. */
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

  /** What HAProxy serves; undefined while it does not run, or by files that we do not know. */
  get inForce(): InForce | undefined {
    return this.#inForce;
  }

  /** Goes on from what HAProxy has read. */
  enter(inForce: InForce, generation: string): void {
    this.#inForce = inForce;
    this.#writtenAt = inForce;
    this.#generation = generation;
    this.#maps = allEntries(inForce);
    this.#unwritten = [];
    this.#refusals = [];
    this.#since.clear();
    this.#noteLeaving(inForce.layout);
    this.#lists.enter(inForce.state);
    this.#options.worker.close();
  }

  /** Forgets what is in force, because HAProxy exited. */
  leave(): void {
    this.#inForce = undefined;
  }

  /** Deletes retired servers and frees sections once a second from now on. */
  startTidying(): void {
    const { enqueue } = this.#options;
    this.#janitor = setInterval(() => void enqueue(async () => await this.#tidy()).catch(() => {}), 1000);
    this.#janitor.unref();
  }

  /** Stops timers; `flush` can still be called. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#flushTimer);
    clearInterval(this.#janitor);
  }

  /** A state without the changes that wait until {@link loadLists} has loaded their allow-lists. */
  holdBack(before: InForce, wanted: HttpState): Ready {
    return this.#lists.holdBack(before.state, wanted);
  }

  /** Loads one slice for backends that are held back. Returns whether to apply the state again, or to load on. */
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

  /** Whether a rejected command keeps lists from being loaded until the next reload. */
  get isStuck(): boolean {
    return this.#refusals.length > 0;
  }

  /**
   * Applies a state as far as commands can, and returns what waits for a reload, by cause.
   *
   * @param isPart whether more follows soon
   */
  async apply(before: InForce, state: HttpState, isPart = false): Promise<ReadonlyMap<ReloadCause, readonly string[]>> {
    this.#isLoading = isPart;
    const { commands, after, waiting } = planChange(before, state);
    const causes = new Map(waiting);
    if (commands.length > 0) {
      await this.#markChanging();
      const bulk = findBulk(commands, this.#maps);
      applyToMaps(this.#maps, commands);
      this.#noteRefusals(await this.#give(commands, bulk, before, state));
      // Not by push: hundreds of thousands are more than a call has arguments.
      this.#unwritten = this.#unwritten.concat(commands);
      this.#noteLeaving(after.layout);
      this.#flushSoon(isPart ? longFlushWait : flushWait);
    }
    this.#inForce = after;
    if (this.#refusals.length > 0) causes.set('refused', this.#refusals);
    return causes;
  }

  /** Every server has a check; this disables it where the state has none. Throws SocketError. */
  async quieten(inForce: InForce): Promise<void> {
    const lines: string[] = [];
    for (const [id, section] of inForce.layout.sections) {
      const backend = inForce.state.backends.get(id);
      if (backend === undefined || backend.servers.every(({ checked }) => checked)) continue;
      for (const server of makeSection(backend, inForce.state.authorities).servers.values()) {
        if (!server.checked) lines.push(`disable health ${section}/${server.name}`);
      }
    }
    await this.#options.worker.run(lines);
  }

  /** Statistics by the state's names. Throws SocketError. */
  async readStats({ servers }: { readonly servers: boolean }): Promise<StatRow[]> {
    const inForce = this.#inForce;
    if (inForce === undefined) return [];
    // Frontends 1, backends 2, servers 4.
    const [text = ''] = await this.#options.worker.run([`show stat -1 ${servers ? 7 : 3} -1`]);
    return readStatRows(text, inForce);
  }

  /** Writes what changed since the last time into the files of the generation. */
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
      // The disk has no room for one more file. Without main.json, nobody trusts the rest either.
      await rm(disk.path(this.#generation, 'state', 'main.json'), { force: true });
    }
  }

  /**
   * Gives commands to the worker and returns those that it rejected, with reasons. These are no problem of
   * HAProxy's: what one Route asks for must not make a node unready.
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
      failures.push(...(await this.#lists.loadShort(backends.values())));
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

  /** Removes lists that nothing uses, in slices between other tasks. */
  async #tidyLists(): Promise<void> {
    if (this.#inForce === undefined || this.#isStopped || this.isStuck) return;
    if (!(await this.#lists.tidy(this.#inForce.state.backends.values(), this.#isLoading))) return;
    void this.#options.enqueue(async () => await this.#tidyLists()).catch(() => {});
  }

  /** Deletes servers that have no connection any more; frees sections without requests. */
  async #tidy(): Promise<void> {
    await this.#tidyLists();
    const inForce = this.#inForce;
    if (inForce === undefined || this.#isStopped) return;
    if (inForce.layout.leaving.size === 0 && inForce.layout.resting.size === 0) return;
    const leaving = await this.#deleteServers(inForce.layout.leaving);
    const layout = { ...inForce.layout, leaving };
    this.#inForce = { ...inForce, layout: freeSections(layout, await this.#idleSections(layout)) };
  }

  /** Deletes servers without a connection; resolves to those that remain. */
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
   * Sections that can be reused. Their use has ended in `tenancies.map`, so that no request enters any more, and
   * a request that entered before counts among the section's sessions until it ends, also while it waits for a retry.
   */
  async #idleSections(layout: Layout): Promise<string[]> {
    // The end of a use may be among the commands that HAProxy rejected; the reload that follows makes new sections.
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
