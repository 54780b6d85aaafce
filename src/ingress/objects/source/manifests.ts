import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { type ClusterObject, objectKey, type ReadingContext } from '../../../api/kinds.ts';
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
}

/** Milliseconds of silence after which a file counts as written; one written in pieces is not read in between. */
const quiet = 10;

/** Milliseconds after which files are read even though they still change. */
const longestWait = 200;

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
  readonly #index = new ManifestIndex();
  #sink: SourceSink | undefined;
  #watcher: FSWatcher | undefined;
  #rescan: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #firstEvent = 0;
  #isSynced = false;

  constructor(settings: ManifestSettings) {
    this.#settings = settings;
    const { routerNameKey } = settings;
    this.#context = routerNameKey === undefined ? {} : { routerNameKey };
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
    const changed = files.filter((name) => this.#readFile(name));
    // A change of one file can make another's objects count, or not any more.
    if (changed.length > 0 || gone.length > 0) for (const name of files) this.#reportDoubles(name);
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

  /** Returns whether the file has changed, and could be read. */
  #readFile(name: string): boolean {
    const path = join(this.#settings.directory, name);
    let version = '';
    try {
      version = versionOfFile(path) ?? '';
      if (version === '') throw new Error('is no file');
      if (this.#files.get(name)?.version === version || this.#broken.get(name) === version) return false;
      const file = readManifestFile(path, this.#files.get(name), this.#context);
      this.#files.set(name, file);
      this.#broken.delete(name);
      this.#sink?.report(name, undefined);
      const [first, ...more] = file.problems;
      const rest = more.length === 0 ? '' : `; and ${more.length} more objects`;
      this.#sink?.report(`${name} (objects)`, first === undefined ? undefined : `${first}${rest}`);
      this.#tell(name, file.objects.values());
      return true;
    } catch (error) {
      this.#broken.set(name, version);
      const kept = this.#files.has(name) ? ', its last good state stays' : '';
      this.#sink?.report(name, `cannot be read${kept}: ${messageOf(error)}`);
      return false;
    }
  }

  /** Tells what a file changes for the whole; none of its objects: it is gone. */
  #tell(file: string, objects: Iterable<ClusterObject>): void {
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
