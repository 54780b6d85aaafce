import { FairTurns } from '../../base/model/fair-turns.ts';
import { changedKeys, MapDraft } from '../../base/model/layered-map.ts';
import { readNewVersion } from './bulk.ts';
import type { Backend, HttpState } from './model.ts';
import {
  backendLists,
  checkNetworks,
  hasListId,
  listIdOf,
  listsOf,
  networksMap,
  renderNetworks,
  sliceSize,
} from './networks.ts';
import { UnfitValue } from './quote.ts';

/** Maximum length of a list that is loaded together with its change. Longer lists are loaded in slices beforehand. */
const shortList = 200;

/** Tolerated unused entries: a fixed number plus a share of the used entries. */
const tolerated = { entries: 5000, share: 0.5, shareWhileLoading: 2 };

/** Dependencies of a loader. */
export interface ListLoaderParts {
  /** Sends commands to the worker. Resolves to the rejected commands with reasons. Throws SocketError. */
  give(commands: readonly string[]): Promise<readonly string[]>;
  /** Queries the worker. Throws SocketError. */
  ask(command: string): Promise<string>;
  /** Returns the maximum bytes of content in one command. */
  room(): number;
}

/** A state that excludes changes whose lists are not loaded, and the backends that wait for their lists, by id. */
export interface Ready {
  readonly state: HttpState;
  readonly held: ReadonlyMap<string, Backend>;
}

/** Progress of a new version of `networks.map` without unused lists. */
interface Rebuild {
  readonly version: string;
  readonly done: Set<string>;
  readonly progress: Map<string, number>;
}

/**
 * Loads the networks of allow-lists into HAProxy. Long lists are loaded in slices, namespaces take turns, and other
 * changes are applied between slices. A backend stays unchanged until its list is loaded.
 */
export class ListLoader {
  readonly #parts: ListLoaderParts;
  readonly #turns = new FairTurns();
  /** Lists that are completely loaded, including unused ones. */
  readonly #loaded = new Set<string>();
  /** Number of loaded networks of each incomplete list. */
  readonly #progress = new Map<string, number>();
  #rebuild: Rebuild | undefined;
  #hasGarbage = false;
  #hasFailed = false;

  constructor(parts: ListLoaderParts) {
    this.#parts = parts;
  }

  /** Switches to a worker that has read the lists of a state from its files. */
  enter({ backends }: HttpState): void {
    this.#loaded.clear();
    for (const id of listsOf(backends.values()).keys()) this.#loaded.add(id);
    this.#progress.clear();
    this.#rebuild = undefined;
    // A previous supervisor may have left unused entries.
    this.#hasGarbage = true;
    this.#hasFailed = false;
  }

  /** Returns the state that excludes changes for which {@link load} must run first. */
  holdBack(before: HttpState, wanted: HttpState): Ready {
    const held = new Map<string, Backend>();
    // The lists of applied backends are loaded.
    for (const id of changedKeys(before.backends, wanted.backends)) {
      const backend = wanted.backends.get(id);
      if (backend !== undefined && !backendLists(backend).every((list) => this.#isReady(list))) held.set(id, backend);
    }
    if (held.size === 0) return { state: wanted, held };
    const backends = new MapDraft(wanted.backends);
    const authorities = new Map(wanted.authorities);
    for (const [id, { owner }] of held) {
      const old = before.backends.get(id);
      if (old === undefined || old.owner !== owner) {
        backends.delete(id);
        continue;
      }
      backends.set(id, old);
      const authority = old.http?.tls?.authority;
      const pem = authority === undefined ? undefined : before.authorities.get(authority);
      if (authority !== undefined && pem !== undefined && !authorities.has(authority)) authorities.set(authority, pem);
    }
    return { state: { ...wanted, backends: backends.finish(), authorities }, held };
  }

  #isReady(list: readonly string[]): boolean {
    if (list.length <= shortList) return true;
    return hasListId(list) && this.#loaded.has(listIdOf(list));
  }

  /** Loads short lists that are not loaded yet. Resolves to rejected commands. Throws SocketError. */
  async loadShort(backends: Iterable<Backend>): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const list of Array.from(backends, backendLists).flat()) {
      const id = listIdOf(list);
      if (this.#loaded.has(id)) continue;
      this.#loaded.add(id);
      lines.push(...renderNetworks(id, list));
    }
    if (lines.length === 0) return [];
    this.#hasGarbage = true;
    return await this.#give(lines);
  }

  /**
   * Loads one slice for waiting backends. Resolves to whether a list is now complete, and to rejected commands. After
   * a rejected command, nothing more is loaded until the worker reads its files again. Throws SocketError.
   */
  async load(
    held: ReadonlyMap<string, Backend>,
  ): Promise<{ readonly isComplete: boolean; readonly failures: readonly string[] }> {
    if (this.#hasFailed) return { isComplete: false, failures: [] };
    const waiting = new Map<string, readonly string[]>();
    // Load only one list per namespace at a time, so that its lists take effect one by one.
    for (const backend of held.values()) {
      const { tenant = '' } = backend;
      const list = backendLists(backend).find((one) => !this.#isReady(one));
      if (list !== undefined && !waiting.has(tenant)) waiting.set(tenant, list);
    }
    const [tenant] = this.#turns.order(waiting.keys());
    const list = tenant === undefined ? undefined : waiting.get(tenant);
    if (tenant === undefined || list === undefined) return { isComplete: false, failures: [] };
    const id = listIdOf(list);
    if (!isFit(list)) {
      // The validation of the backend reports the reason.
      this.#loaded.add(id);
      return { isComplete: true, failures: [] };
    }
    this.#hasGarbage = true;
    const { isComplete, failures } = await this.#loadSlice(id, list, this.#progress).catch((error: unknown) => {
      this.#hasFailed = true;
      throw error;
    });
    this.#hasFailed = failures.length > 0;
    this.#turns.spend(tenant, sliceSize);
    if (isComplete) this.#loaded.add(id);
    return { isComplete, failures };
  }

  /**
   * Removes unused lists step by step. Resolves to whether more steps are needed. Throws SocketError.
   *
   * @param isLoading whether backends wait for their lists, which take precedence while memory suffices
   */
  async tidy(backends: Iterable<Backend>, isLoading: boolean): Promise<boolean> {
    if (!this.#hasGarbage || this.#hasFailed) return false;
    const used = listsOf(backends);
    this.#rebuild ??= await this.#beginRebuild(used, isLoading);
    const rebuild = this.#rebuild;
    if (rebuild === undefined) return false;
    for (const [id, list] of used) {
      if (rebuild.done.has(id)) continue;
      const { isComplete, failures } = await this.#loadSlice(id, list, rebuild.progress, rebuild.version);
      if (isComplete) rebuild.done.add(id);
      // The old version stays active, and the next reload repairs it.
      if (failures.length > 0) this.#hasGarbage = false;
      return failures.length === 0;
    }
    this.#rebuild = undefined;
    this.#hasGarbage = false;
    const failures = await this.#parts.give([`commit map @${rebuild.version} ${networksMap}`]);
    if (failures.length > 0) return false;
    this.#loaded.clear();
    for (const id of rebuild.done) this.#loaded.add(id);
    // The old version also contained the loaded parts of other lists.
    this.#progress.clear();
    return false;
  }

  async #beginRebuild(used: ReadonlyMap<string, readonly string[]>, isLoading: boolean): Promise<Rebuild | undefined> {
    const entries = Number(
      new RegExp(`\\(${networksMap}\\).*entry_cnt=(\\d+)`).exec(await this.#parts.ask('show map'))?.[1],
    );
    // A network has one entry, or up to eight if its prefix length is not a multiple of four.
    const needed = [...used.values()].reduce((sum, { length }) => sum + length, 0);
    const share = isLoading ? tolerated.shareWhileLoading : tolerated.share;
    if (!(entries > needed * (1 + share) + tolerated.entries)) {
      this.#hasGarbage = isLoading;
      return undefined;
    }
    const version = readNewVersion(await this.#parts.ask(`prepare map ${networksMap}`));
    return version === undefined ? undefined : { version, done: new Set(), progress: new Map() };
  }

  async #loadSlice(
    id: string,
    list: readonly string[],
    progress: Map<string, number>,
    version?: string,
  ): Promise<{ readonly isComplete: boolean; readonly failures: readonly string[] }> {
    const from = progress.get(id) ?? 0;
    const lines = renderNetworks(id, list.slice(from, from + sliceSize));
    const failures = await this.#give(lines, version);
    const isComplete = from + sliceSize >= list.length;
    if (isComplete) progress.delete(id);
    else progress.set(id, from + sliceSize);
    return { isComplete, failures };
  }

  /**
   * Adds lines with as few commands as the buffer allows, one command at a time. Commands that exceed HAProxy's buffer
   * together take ten times as long.
   */
  async #give(lines: readonly string[], version?: string): Promise<readonly string[]> {
    const begin = `add map ${version === undefined ? '' : `@${version} `}${networksMap} <<\n`;
    const perCommand = Math.max(1, Math.floor(this.#parts.room() / longestLine));
    const failures: string[] = [];
    for (let at = 0; at < lines.length; at += perCommand) {
      failures.push(...(await this.#parts.give([`${begin}${lines.slice(at, at + perCommand).join('')}`])));
    }
    return failures;
  }
}

/** Characters of a line for an IPv6 address: id, slash, `32:`, digits, ` 1`, newline. */
const longestLine = 20 + 1 + 3 + 32 + 3;

function isFit(list: readonly string[]): boolean {
  try {
    checkNetworks(list);
    return true;
  } catch (error) {
    if (error instanceof UnfitValue) return false;
    throw error;
  }
}
