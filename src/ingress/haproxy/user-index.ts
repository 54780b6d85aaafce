import { baseOf, entriesAboveBase } from '../../base/model/layered-map.ts';

/** Finds the parts of a state that use backends, with an index that consecutive states share. */
export class UserIndex<V> {
  readonly #listUsed: (part: V) => Iterable<string>;
  readonly #indexes = new WeakMap<ReadonlyMap<string, V>, ReadonlyMap<string, readonly string[]>>();

  /** @param listUsed returns the backends that a part uses */
  constructor(listUsed: (part: V) => Iterable<string>) {
    this.#listUsed = listUsed;
  }

  /** Returns the keys of parts that use one of the backends, and possibly of parts that used one until recently. */
  *find(parts: ReadonlyMap<string, V>, backends: ReadonlySet<string>): Iterable<string> {
    const index = this.#indexOf(baseOf(parts));
    for (const backend of backends) yield* index.get(backend) ?? [];
    for (const [key, part] of entriesAboveBase(parts)) {
      for (const used of this.#listUsed(part)) if (backends.has(used)) yield key;
    }
  }

  #indexOf(base: ReadonlyMap<string, V>): ReadonlyMap<string, readonly string[]> {
    const known = this.#indexes.get(base);
    if (known !== undefined) return known;
    const index = new Map<string, string[]>();
    for (const [key, part] of base) {
      for (const used of this.#listUsed(part)) {
        const keys = index.get(used);
        if (keys === undefined) index.set(used, [key]);
        else keys.push(key);
      }
    }
    this.#indexes.set(base, index);
    return index;
  }
}
