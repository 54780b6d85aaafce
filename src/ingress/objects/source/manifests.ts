import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { type ClusterObject, objectKey, type ReadingContext } from '../kinds.ts';
import { LastGoodFiles } from './last-good.ts';
import { type ManifestFile, readManifestFile, versionOfFile } from './manifest-file.ts';
import { ManifestIndex } from './manifest-index.ts';
import type { ObjectSource, SourceSink } from './source.ts';

/** How a directory of manifests is watched. */
export interface ManifestSettings {
  readonly directory: string;
  /** The annotation of a Route that names its router. */
  readonly routerNameKey?: string;
  /** Milliseconds between two looks at everything, for file systems that tell nothing; 10,000 unless told. */
  readonly rescanInterval?: number;
  /** Folder for copies of files as they were last good; absent: none are kept. */
  readonly lastGood?: string;
}

/** Milliseconds of silence after which a file counts as written; one written in pieces is not read in between. */
const quiet = 10;

/** Milliseconds after which files are read even though they still change. */
const longestWait = 200;

/** Milliseconds of reading a file after which other work comes first. */
const longRead = 20;

/**
 * A directory of YAML and JSON files as a source of objects. A file that cannot be read whole keeps
 * what it last said, and that is reported; a file that is gone takes its objects with it. Of two files
 * with the same object the first by name counts.
 */
export class ManifestSource implements ObjectSource {
  readonly #settings: ManifestSettings;
  readonly #context: ReadingContext;
  readonly #files = new Map<string, ManifestFile>();
  /** Versions of files that could not be read, so that they are not read again and again. */
  readonly #broken = new Map<string, string>();
  readonly #lastGood: LastGoodFiles | undefined;
  readonly #index = new ManifestIndex();
  #sink: SourceSink | undefined;
  #watcher: FSWatcher | undefined;
  #rescan: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #firstEvent = 0;
  #isSynced = false;
  /** Whether a file has changed since doubles were looked for. */
  #isChanged = false;
  /** Counts looks that are made in steps. */
  #turn = 0;
  /** Names of the files there were at the last look. */
  #names = '';

  constructor(settings: ManifestSettings) {
    this.#settings = settings;
    const { routerNameKey } = settings;
    this.#context = routerNameKey === undefined ? {} : { routerNameKey };
    const { lastGood } = settings;
    this.#lastGood =
      lastGood === undefined
        ? undefined
        : new LastGoodFiles(lastGood, (problem) => this.#sink?.report(lastGood, problem));
  }

  start(sink: SourceSink): void {
    this.#sink = sink;
    // Watched before it is read, so that nothing falls in between.
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
      // The scan reports what is wrong with the directory.
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
      // A directory that is gone for a moment (a mount, a rename) must not close every port.
      this.#unwatch();
      this.#sink?.report(directory, `cannot be listed, its last state stays: ${messageOf(error)}`);
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

  /** Reads file by file and lets other work in between; what they say is told at once. Never rejects. */
  async #readInSteps(files: readonly string[]): Promise<void> {
    const turn = ++this.#turn;
    for (const name of files) {
      const start = performance.now();
      this.#readFile(name);
      if (performance.now() - start < longRead) continue;
      await new Promise((resolve) => setImmediate(resolve));
      // A later look has begun meanwhile, or the end.
      if (turn !== this.#turn || this.#sink === undefined) return;
    }
    this.#finish(files);
  }

  #finish(files: readonly string[]): void {
    if (!this.#isSynced || files.join('/') !== this.#names) this.#lastGood?.retain(files);
    this.#names = files.join('/');
    // A change of one file can make another's objects count, or not any more.
    if (this.#isChanged) for (const name of files) this.#reportDoubles(name);
    this.#isChanged = false;
    // A broken file without a last good state holds nobody up: one author's typing mistake must not
    // keep all the others' ports closed after a reboot.
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
  }

  #readFile(name: string): void {
    const path = join(this.#settings.directory, name);
    let version = '';
    try {
      version = versionOfFile(path) ?? '';
      if (version === '') throw new Error('is no file');
      if (this.#files.get(name)?.version === version || this.#broken.get(name) === version) return;
      const file = this.#readWithLast(name, path);
      this.#files.set(name, file);
      if (file.problems.length === 0) this.#lastGood?.keep(name, path, version);
      this.#broken.delete(name);
      this.#sink?.report(name, undefined);
      const [first, ...more] = file.problems;
      const rest = more.length === 0 ? '' : `; and ${more.length} more objects`;
      this.#sink?.report(`${name} (objects)`, first === undefined ? undefined : `${first}${rest}`);
      this.#tell(name, file.objects.values());
    } catch (error) {
      this.#broken.set(name, version);
      const last = this.#files.has(name) ? undefined : this.#readLast(name);
      // Its version is no file's: whatever stands there is read when it changes.
      if (last !== undefined) {
        this.#files.set(name, { ...last, version: '' });
        this.#tell(name, last.objects.values());
      }
      const kept = this.#files.has(name) ? ', its last good state stays' : '';
      this.#sink?.report(name, `cannot be read${kept}: ${messageOf(error)}`);
    }
  }

  /** Reads a file; of one that is new to this process, objects that cannot be read are as in its last good copy. */
  #readWithLast(name: string, path: string): ManifestFile {
    const known = this.#files.get(name);
    const file = readManifestFile(path, known, this.#context);
    const last = known === undefined && file.problems.length > 0 ? this.#readLast(name) : undefined;
    return last === undefined ? file : readManifestFile(path, last, this.#context);
  }

  /** The last good copy of a file; undefined where there is none that can be read. */
  #readLast(name: string): ManifestFile | undefined {
    const path = this.#lastGood?.find(name);
    try {
      return path === undefined ? undefined : readManifestFile(path, undefined, this.#context);
    } catch {
      // A release before this one may have taken more for good.
      return undefined;
    }
  }

  /** Tells what a file changes for the whole; none of its objects: it is gone. */
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
