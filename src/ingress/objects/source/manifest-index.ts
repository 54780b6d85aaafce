import type { ClusterObject } from '../kinds.ts';
import { nameOfObject } from './manifest-file.ts';

/** Effect of a changed file on an object. */
export type ManifestChange =
  | { readonly kind: 'put'; readonly object: ClusterObject }
  | { readonly kind: 'remove'; readonly object: ClusterObject };

/**
 * The objects of all files by name. If two files contain the same object, the first file name wins. The cost of a
 * changed file depends on its own objects only.
 */
export class ManifestIndex {
  readonly #files = new Map<string, ReadonlyMap<string, ClusterObject>>();
  /** Sorted files that contain an object, by its name. */
  readonly #places = new Map<string, string[]>();
  /** Names that a file contains more than once. */
  readonly #repeated = new Map<string, readonly string[]>();

  /** Replaces the objects of a file; no objects means that it was deleted. Returns the resulting changes. */
  replace(file: string, objects: Iterable<ClusterObject>): readonly ManifestChange[] {
    const before = this.#files.get(file) ?? new Map<string, ClusterObject>();
    const now = new Map<string, ClusterObject>();
    const repeated: string[] = [];
    for (const object of objects) {
      const name = nameOfObject(object);
      if (now.has(name)) repeated.push(name);
      else now.set(name, object);
    }
    const touched = new Set([...before.keys(), ...now.keys()]);
    const changes: ManifestChange[] = [];
    for (const name of touched) {
      const last = this.#winner(name);
      if (now.has(name) !== before.has(name)) this.#move(name, file, now.has(name));
      const next = this.#winnerWith(name, file, now);
      if (next === last) continue;
      if (next !== undefined) changes.push({ kind: 'put', object: next });
      else if (last !== undefined) changes.push({ kind: 'remove', object: last });
    }
    if (now.size === 0) this.#files.delete(file);
    else this.#files.set(file, now);
    this.#repeated.set(file, repeated);
    return changes;
  }

  /** Returns names in a file that it repeats, or that an earlier file contains. */
  listDoubles(file: string): readonly string[] {
    const taken = [...(this.#files.get(file)?.keys() ?? [])].filter((name) => this.#places.get(name)?.[0] !== file);
    return [...(this.#repeated.get(file) ?? []), ...taken];
  }

  #winner(name: string): ClusterObject | undefined {
    const [first] = this.#places.get(name) ?? [];
    return first === undefined ? undefined : this.#files.get(first)?.get(name);
  }

  #winnerWith(name: string, file: string, now: ReadonlyMap<string, ClusterObject>): ClusterObject | undefined {
    const [first] = this.#places.get(name) ?? [];
    return first === file ? now.get(name) : this.#winner(name);
  }

  #move(name: string, file: string, isThere: boolean): void {
    const places = (this.#places.get(name) ?? []).filter((one) => one !== file);
    if (isThere) places.push(file);
    if (places.length === 0) this.#places.delete(name);
    else this.#places.set(name, places.sort());
  }
}
