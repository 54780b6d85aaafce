import { baseOf } from '../../base/model/layered-map.ts';
import { UserIndex } from './user-index.ts';

/** Number of files for sections, large enough that a change rewrites few of them. */
export const shardCount = 64;

/** A cache, because all 10,000 names are needed whenever a configuration is written. */
const shards = new Map<string, number>();

/** Returns the number of the file that contains a section. */
export function shardOf(section: string): number {
  const known = shards.get(section);
  if (known !== undefined) return known;
  let hash = 0x811c9dc5;
  for (let i = 0; i < section.length; i++) hash = Math.imul(hash ^ section.charCodeAt(i), 0x01000193);
  const shard = (hash >>> 0) % shardCount;
  if (shards.size > 200_000) shards.clear();
  shards.set(section, shard);
  return shard;
}

/** Every file. */
export const allShards: ReadonlySet<number> = new Set(Array.from({ length: shardCount }, (_, shard) => shard));

/** Finds the parts in some files without visiting all parts. */
export class ShardIndex<V> {
  readonly #nameOf: (part: V) => string;
  readonly #index: UserIndex<V>;

  /** @param nameOf returns the name that determines the file of a part */
  constructor(nameOf: (part: V) => string) {
    this.#nameOf = nameOf;
    this.#index = new UserIndex((part) => [String(shardOf(nameOf(part)))]);
  }

  /** Returns the parts in the files, each with its key and file. */
  *list(
    parts: ReadonlyMap<string, V>,
    some: ReadonlySet<number>,
  ): Iterable<readonly [key: string, part: V, shard: number]> {
    const keys = this.#index.find(parts, new Set(Array.from(some, String)));
    // Only a part above the base can be found twice.
    for (const key of baseOf(parts) === parts ? keys : new Set(keys)) {
      const part = parts.get(key);
      if (part === undefined) continue;
      const shard = shardOf(this.#nameOf(part));
      if (some.has(shard)) yield [key, part, shard];
    }
  }
}

/** Finds the backends in some files by their sections. */
export const sectionIndex = new ShardIndex<string>((section) => section);
