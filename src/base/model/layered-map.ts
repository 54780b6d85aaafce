const gone = Symbol('gone');

const nothing: ReadonlyMap<never, never> = new Map<never, never>();

/** Number of changed entries above which a map is copied, as a share of its entries, and at least. */
const limits = { share: 1 / 16, least: 64 };

/**
 * An immutable map that shares a base with earlier versions and differs from it by a few entries. Deriving a version, and
 * comparing two versions, takes time in proportion to these entries, not to the size of the map. Values are never
 * undefined.
 */
class LayeredMap<K, V> implements ReadonlyMap<K, V> {
  readonly base: ReadonlyMap<K, V>;
  readonly #patch: ReadonlyMap<K, V | typeof gone>;
  #size: number;

  constructor(base: ReadonlyMap<K, V>, patch: ReadonlyMap<K, V | typeof gone>, size: number) {
    this.base = base;
    this.#patch = patch;
    this.#size = size;
  }

  /** Entries that may differ from the base. */
  get patch(): ReadonlyMap<K, V | typeof gone> {
    return this.#patch;
  }

  get size(): number {
    return this.#size;
  }

  protected resize(step: number): void {
    this.#size += step;
  }

  get(key: K): V | undefined {
    const value = this.#patch.get(key);
    if (value === undefined) return this.base.get(key);
    return value === gone ? undefined : value;
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): MapIterator<[K, V]> {
    const patch = this.#patch;
    for (const entry of this.base) {
      const value = patch.get(entry[0]);
      if (value === undefined) yield entry;
      else if (value !== gone) yield [entry[0], value];
    }
    for (const [key, value] of patch) if (value !== gone && !this.base.has(key)) yield [key, value];
  }

  *keys(): MapIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }

  forEach(each: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.entries()) each(value, key, this);
  }
}

/** A new version of a map while it is written. It can be read, and leaves the original unchanged. */
export class MapDraft<K, V> extends LayeredMap<K, V> {
  readonly #original: ReadonlyMap<K, V>;
  readonly #changes: Map<K, V | typeof gone>;
  #isChanged = false;

  /** @param original must not change any more */
  constructor(original: ReadonlyMap<K, V>) {
    const { base, patch } = layersOf(original);
    const changes = new Map(patch);
    super(base, changes, original.size);
    this.#original = original;
    this.#changes = changes;
  }

  set(key: K, value: V): void {
    const known = this.get(key);
    if (known === value) return;
    this.#isChanged = true;
    if (known === undefined) this.resize(1);
    this.#changes.set(key, value);
  }

  /** Returns whether there was an entry. */
  delete(key: K): boolean {
    if (!this.has(key)) return false;
    this.#isChanged = true;
    this.resize(-1);
    if (this.base.has(key)) this.#changes.set(key, gone);
    else this.#changes.delete(key);
    return true;
  }

  /** Returns the new version: the original if nothing has changed. The draft must not change afterwards. */
  finish(): ReadonlyMap<K, V> {
    if (!this.#isChanged) return this.#original;
    if (this.base.size === 0) return this.#changes as ReadonlyMap<K, V>;
    const isLarge = this.#changes.size > Math.max(limits.least, this.base.size * limits.share);
    return isLarge ? new Map(this) : new LayeredMap(this.base, this.#changes, this.size);
  }
}

function layersOf<K, V>(map: ReadonlyMap<K, V>): Pick<LayeredMap<K, V>, 'base' | 'patch'> {
  return map instanceof LayeredMap ? map : { base: map, patch: nothing };
}

/** Returns the map whose entries a version shares, for caches. It never changes. */
export function baseOf<K, V>(map: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  return layersOf(map).base;
}

/** Returns the entries of a version that are not those of its base. */
export function entriesAboveBase<K, V>(map: ReadonlyMap<K, V>): readonly (readonly [K, V])[] {
  const { base, patch } = layersOf(map);
  const own: (readonly [K, V])[] = [];
  for (const [key, value] of patch) if (value !== gone && base.get(key) !== value) own.push([key, value]);
  return own;
}

/** Returns the keys whose value is another object, or that only one map contains. */
export function changedKeys<K, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>): Set<K> {
  const changed = new Set<K>();
  if (before === after) return changed;
  const [old, now] = [layersOf(before), layersOf(after)];
  const isRelated = old.base === now.base;
  for (const key of isRelated ? now.patch.keys() : after.keys())
    if (before.get(key) !== after.get(key)) changed.add(key);
  for (const key of isRelated ? old.patch.keys() : before.keys())
    if (before.get(key) !== after.get(key)) changed.add(key);
  return changed;
}
