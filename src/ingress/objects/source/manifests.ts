import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { type ClusterObject, objectKey, type ReadingContext } from '../kinds.ts';
import { LastGoodFiles } from './last-good.ts';
import { type ManifestFile, readManifestFile, versionOfFile } from './manifest-file.ts';
import { ManifestIndex } from './manifest-index.ts';
import type { ObjectSource, SourceSink } from './source.ts';

/** How to watch a directory of manifests. */
export interface ManifestSettings extends ReadingContext {
  readonly directory: string;
  /** Interval between full scans in milliseconds, for file systems without notifications. Default: 10,000. */
  readonly rescanInterval?: number;
  /** Folder for copies of the last valid state of files. Absent: no copies. */
  readonly lastGood?: string;
}

/**
 * Milliseconds without changes after which a file is considered complete, so that a file is not read while it is
 * being written.
 */
const quiet = 10;

/** Milliseconds after which files are read even if they keep changing. */
const longestWait = 200;

/** Milliseconds of reading after which other work gets its turn. */
const longRead = 20;

/**
 * A directory of YAML and JSON files as a source of objects. An unreadable file keeps its last objects, which is
 * reported; a deleted file removes its objects. If two files contain the same object, the first file name wins.
 */
export class ManifestSource implements ObjectSource {
  readonly #settings: ManifestSettings;
  readonly #context: ReadingContext;
  readonly #files = new Map<string, ManifestFile>();
  /** Versions of unreadable files, so that they are not read repeatedly. */
  readonly #broken = new Map<string, string>();
  readonly #lastGood: LastGoodFiles | undefined;
  readonly #index = new ManifestIndex();
  #sink: SourceSink | undefined;
  #watcher: FSWatcher | undefined;
  #rescan: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #firstEvent = 0;
  #isSynced = false;
  /** Whether a file has changed since the last search for duplicates. */
  #isChanged = false;
  /** Number of the current incremental scan. */
  #turn = 0;
  /** Names of the files in the last scan. */
  #names = '';

  constructor(settings: ManifestSettings) {
    this.#settings = settings;
    this.#context = settings;
    const { lastGood } = settings;
    this.#lastGood =
      lastGood === undefined
        ? undefined
        : new LastGoodFiles(lastGood, (problem) => this.#sink?.report(lastGood, problem));
  }

  start(sink: SourceSink): void {
    this.#sink = sink;
    // Watching starts before the first read, so that no change is missed.
    this.#watch();
    this.#scan();
    this.#rescan = setInterval(() => {
      this.#watch();
      this.#scan();
    }, this.#settings.rescanInterval ?? 10_000);
  }

  close(): void {
    this.#watcher?.close();
    clearInterval(this.#rescan);
    clearTimeout(this.#soon);
    this.#lastGood?.flush();
    this.#sink = undefined;
  }

  #watch(): void {
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(this.#settings.directory, () => this.#expectChange());
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      // The scan reports problems of the directory.
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #expectChange(): void {
    const now = performance.now();
    if (this.#soon === undefined) this.#firstEvent = now;
    else clearTimeout(this.#soon);
    const wait = Math.min(quiet, Math.max(0, this.#firstEvent + longestWait - now));
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      this.#scan();
    }, wait);
  }

  #scan(): void {
    const { directory } = this.#settings;
    let names: readonly string[];
    try {
      names = readdirSync(directory);
      this.#sink?.report(directory, undefined);
    } catch (error) {
      // A directory that disappears briefly (a mount, a rename) must not close every port.
      this.#unwatch();
      this.#sink?.report(directory, `cannot be listed; keeping its last state: ${messageOf(error)}`);
      return;
    }
    const files = names.filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort();
    const present = new Set(files);
    const gone = [...this.#files.keys(), ...this.#broken.keys()].filter((name) => !present.has(name));
    for (const name of gone) this.#forget(name);
    if (this.#isSynced) void this.#readInSteps(files);
    else {
      for (const name of files) this.#readFile(name);
      this.#finish(files);
    }
  }

  /** Reads file by file, reports each at once, and lets other work run in between. Never rejects. */
  async #readInSteps(files: readonly string[]): Promise<void> {
    const turn = ++this.#turn;
    for (const name of files) {
      const start = performance.now();
      this.#readFile(name);
      if (performance.now() - start < longRead) continue;
      await new Promise((resolve) => setImmediate(resolve));
      // A later scan has started in the meantime, or the source was closed.
      if (turn !== this.#turn || this.#sink === undefined) return;
    }
    this.#finish(files);
  }

  #finish(files: readonly string[]): void {
    if (!this.#isSynced || files.join('/') !== this.#names) this.#lastGood?.retain(files);
    this.#names = files.join('/');
    // A change of one file can affect whether the objects of another count.
    if (this.#isChanged) for (const name of files) this.#reportDoubles(name);
    this.#isChanged = false;
    // An invalid file without a last valid state does not delay others: a typing mistake of one author must not keep
    // the ports of all others closed after a reboot.
    if (this.#isSynced) return;
    this.#isSynced = true;
    this.#sink?.synced();
  }

  #forget(name: string): void {
    this.#tell(name, []);
    this.#files.delete(name);
    this.#broken.delete(name);
    this.#sink?.report(name, undefined);
    this.#sink?.report(`${name} (doubles)`, undefined);
    this.#sink?.report(`${name} (objects)`, undefined);
    this.#sink?.report(`${name} (ignored)`, undefined);
  }

  #readFile(name: string): void {
    const path = join(this.#settings.directory, name);
    let version = '';
    try {
      version = versionOfFile(path) ?? '';
      if (version === '') throw new Error('is not a regular file');
      if (this.#files.get(name)?.version === version || this.#broken.get(name) === version) return;
      const file = this.#readWithLast(name, path);
      this.#files.set(name, file);
      if (file.problems.length === 0) this.#lastGood?.keep(name, path, version);
      this.#broken.delete(name);
      this.#sink?.report(name, undefined);
      this.#sink?.report(`${name} (objects)`, summarize(file.problems));
      this.#sink?.report(`${name} (ignored)`, summarize(file.ignored));
      this.#tell(name, file.objects.values());
    } catch (error) {
      this.#broken.set(name, version);
      const last = this.#files.has(name) ? undefined : this.#readLast(name);
      // This version matches no file, so the file is read when it changes.
      if (last !== undefined) {
        this.#files.set(name, { ...last, version: '' });
        this.#tell(name, last.objects.values());
      }
      const kept = this.#files.has(name) ? '; keeping its last valid state' : '';
      this.#sink?.report(name, `cannot be read${kept}: ${messageOf(error)}`);
    }
  }

  /** Reads a file. If it is new to this process, invalid objects are taken from its last valid copy. */
  #readWithLast(name: string, path: string): ManifestFile {
    const known = this.#files.get(name);
    const file = readManifestFile(path, known, this.#context);
    const last = known === undefined && file.problems.length > 0 ? this.#readLast(name) : undefined;
    return last === undefined ? file : readManifestFile(path, last, this.#context);
  }

  /** Reads the last valid copy of a file. Returns undefined if there is none or it is unreadable. */
  #readLast(name: string): ManifestFile | undefined {
    const path = this.#lastGood?.find(name);
    try {
      return path === undefined ? undefined : readManifestFile(path, undefined, this.#context);
    } catch {
      // An earlier release may have accepted more.
      return undefined;
    }
  }

  /** Reports the changes of a file. No objects means that it was deleted. */
  #tell(file: string, objects: Iterable<ClusterObject>): void {
    this.#isChanged = true;
    for (const { kind, object } of this.#index.replace(file, objects)) {
      if (kind === 'put') this.#sink?.put(object);
      else this.#sink?.remove(object.kind, objectKey(object));
    }
  }

  #reportDoubles(file: string): void {
    const [first, ...more] = this.#index.listDoubles(file);
    const rest = more.length === 0 ? '' : ` and ${more.length} more`;
    this.#sink?.report(
      `${file} (doubles)`,
      first === undefined ? undefined : `${first}${rest} already defined in another file; the first one counts`,
    );
  }
}

/** Number of problems of a file that are spelt out. */
const listed = 5;

function summarize(problems: readonly string[]): string | undefined {
  if (problems.length === 0) return undefined;
  const more = problems.length > listed ? `; and ${problems.length - listed} more objects` : '';
  return `${problems.slice(0, listed).join('; ')}${more}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
