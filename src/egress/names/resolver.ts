import { sharedTimers } from '../../base/daemon/shared-timers.ts';
import type { Address, Family } from '../../base/model/address.ts';
import type { LookUp, Lookup } from './dns-client.ts';
import { NameEntry, type NameTimes } from './entry.ts';
import { type NamePolicy, type RefusedAddress, refuseByPolicy, sift } from './policy.ts';

/** Names that a router or a pending call needs. */
export interface Wish {
  /** Kubernetes namespace whose quota the names use. */
  readonly namespace: string;
  readonly names: readonly string[];
  /** Families of the reserved addresses. */
  readonly families: readonly Family[];
}

/** Current resolution status of a name. */
export interface NameStatus {
  readonly name: string;
  /** Usable addresses of all families, sorted. */
  readonly addresses: readonly Address[];
  /** Addresses of the last answer that must not be destinations. */
  readonly refused: readonly RefusedAddress[];
  /** Why the name has no current answer, or why some of its addresses are not used. */
  readonly problem: string | undefined;
  /** Whether the first query of every requested family has succeeded or failed. */
  readonly isSettled: boolean;
  /** Milliseconds until the first of its answers expires; negative after that. Absent without an answer. */
  readonly remaining?: number;
  /** Milliseconds since its addresses changed. Absent if they never did. */
  readonly sinceChange?: number;
}

/** Settings of {@link NameResolver}. */
export interface ResolverSettings {
  readonly policy: NamePolicy;
  readonly times: NameTimes;
  /** Maximum number of names that the routers of one Kubernetes namespace may use on this node. */
  readonly mostNames: number;
}

/** Dependencies of {@link NameResolver}. */
export interface ResolverParts {
  readonly lookUp: LookUp;
  /** Addresses of this node. */
  readonly ownAddresses: () => ReadonlySet<string>;
  /** Called when the addresses or the problem of names changed. */
  readonly changed: (names: ReadonlySet<string>) => void;
}

/** Maximum number of concurrent queries. */
const mostQueries = 48;

/** Maximum number of addresses per name and family. The first ones in sorted order are used. */
const mostAddresses = 64;

/**
 * Resolves the names that routers of this node use and keeps their addresses up to date. One query per name and family
 * serves all routers. Answers are refreshed before they expire, at random times.
 */
export class NameResolver {
  readonly #settings: ResolverSettings;
  readonly #parts: ResolverParts;
  readonly #users = new Map<string, Wish>();
  readonly #entries = new Map<string, NameEntry>();
  /** Answers of a previous process whose names no user has requested yet. */
  readonly #restored = new Map<string, NameEntry>();
  /** Names that exceed the limit of every namespace that requests them. */
  #overLimit: ReadonlySet<string> = new Set();
  readonly #queue: NameEntry[] = [];
  #running = 0;
  #isClosed = false;

  constructor(settings: ResolverSettings, parts: ResolverParts) {
    this.#settings = settings;
    this.#parts = parts;
  }

  /** Replaces the names of a user. Names without a user are discarded. */
  want(user: string, wish: Wish): void {
    if (JSON.stringify(this.#users.get(user)) === JSON.stringify(wish)) return;
    this.#users.set(user, wish);
    this.#follow();
  }

  /** Removes a user and its names. */
  release(user: string): void {
    if (this.#users.delete(user)) this.#follow();
  }

  /** Returns the current status of a name without sending a query. */
  find(name: string): NameStatus {
    const refusal = refuseByPolicy(name, this.#settings.policy) ?? this.#overLimitReason(name);
    const entries = refusal === undefined ? this.#entriesOf(name) : [];
    const now = performance.now();
    const remaining = entries.flatMap((entry) => entry.remaining(now) ?? []);
    const changes = entries.flatMap((entry) => entry.sinceChange(now) ?? []);
    const addresses = entries.flatMap((entry) => entry.addresses);
    // A name with an address of one family may lack addresses of the other.
    const troubled = entries.filter((entry) => addresses.length === 0 || entry.hasFailed || entry.refused.length > 0);
    const [problem] = troubled.flatMap((entry) => entry.problem ?? []);
    return {
      name,
      addresses,
      refused: entries.flatMap((entry) => entry.refused),
      problem: refusal ?? problem,
      isSettled: refusal !== undefined || (entries.length > 0 && entries.every((entry) => entry.isSettled)),
      ...(remaining.length > 0 && { remaining: Math.min(...remaining) }),
      ...(changes.length > 0 && { sinceChange: Math.min(...changes) }),
    };
  }

  /** Returns the status of every requested name. */
  list(): readonly NameStatus[] {
    return [...new Set([...this.#users.values()].flatMap(({ names }) => names))].sort().map((name) => this.find(name));
  }

  /** All entries, to be saved in the answer file. */
  get entries(): Iterable<NameEntry> {
    return this.#entries.values();
  }

  /** Adds answers of a previous process, which are refreshed soon. Call this before the first {@link want}. */
  restore(entries: Iterable<NameEntry>): void {
    for (const entry of entries) this.#restored.set(keyOf(entry.name, entry.family), entry);
  }

  /**
   * Resolves when the first query of every name has succeeded or failed, or when the time has elapsed. These queries
   * take precedence over others.
   */
  async settle(names: readonly string[], milliseconds: number): Promise<void> {
    const waiting = names.flatMap((name) => this.#entriesOf(name)).filter(({ isSettled }) => !isSettled);
    if (waiting.length === 0) return;
    for (const entry of waiting) {
      const place = this.#queue.indexOf(entry);
      if (place > 0) this.#queue.unshift(...this.#queue.splice(place, 1));
    }
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    await Promise.race([Promise.all(waiting.map((entry) => entry.settled)), limit]);
    clearTimeout(timer);
  }

  close(): void {
    this.#isClosed = true;
    for (const entry of this.#entries.values()) entry.cancel();
  }

  #entriesOf(name: string): NameEntry[] {
    return ([4, 6] as const).flatMap((family) => this.#entries.get(keyOf(name, family)) ?? []);
  }

  /** Derives the entries from the requested names. Earlier users take precedence under the limit. */
  #follow(): void {
    const { policy, mostNames, times } = this.#settings;
    const byNamespace = new Map<string, Set<string>>();
    const wanted = new Map<string, { readonly name: string; readonly family: Family }>();
    const admitted = new Set<string>();
    const left = new Set<string>();
    for (const { namespace, names, families } of this.#users.values()) {
      const own = byNamespace.get(namespace) ?? new Set<string>();
      byNamespace.set(namespace, own);
      for (const name of names) {
        if (refuseByPolicy(name, policy) !== undefined) continue;
        if (!own.has(name) && own.size >= mostNames) {
          left.add(name);
          continue;
        }
        own.add(name);
        admitted.add(name);
        for (const family of families) wanted.set(keyOf(name, family), { name, family });
      }
    }
    this.#overLimit = new Set([...left].filter((name) => !admitted.has(name)));
    for (const [key, entry] of this.#entries) {
      if (wanted.has(key)) continue;
      entry.cancel();
      this.#entries.delete(key);
    }
    for (const [key, { name, family }] of wanted) {
      const known = this.#entries.get(key);
      const restored = this.#restored.get(key);
      this.#restored.delete(key);
      const entry = known ?? restored ?? new NameEntry(name, family, times);
      this.#entries.set(key, entry);
      if (known === undefined && restored === undefined) this.#enqueue(entry);
      else if (!entry.isScheduled && !entry.isAsking) entry.schedule(sharedTimers, () => this.#enqueue(entry));
    }
  }

  #overLimitReason(name: string): string | undefined {
    if (!this.#overLimit.has(name)) return undefined;
    return `the namespace uses more than ${this.#settings.mostNames} names on this node, the limit of --max-names`;
  }

  #enqueue(entry: NameEntry): void {
    entry.isAsking = true;
    this.#queue.push(entry);
    this.#run();
  }

  #run(): void {
    while (this.#running < mostQueries && !this.#isClosed) {
      const entry = this.#queue.shift();
      if (entry === undefined) return;
      if (this.#entries.get(keyOf(entry.name, entry.family)) !== entry) continue;
      this.#running++;
      void this.#refresh(entry);
    }
  }

  async #refresh(entry: NameEntry): Promise<void> {
    const { lookUp, changed } = this.#parts;
    const lookup = await lookUp(entry.name, entry.family);
    this.#running--;
    entry.isAsking = false;
    if (this.#isClosed) return;
    const isCurrent = this.#entries.get(keyOf(entry.name, entry.family)) === entry;
    if (isCurrent) {
      if (this.#take(entry, lookup)) changed(new Set([entry.name]));
      entry.schedule(sharedTimers, () => this.#enqueue(entry));
    }
    this.#run();
  }

  /** Returns whether the addresses or the problem changed. */
  #take(entry: NameEntry, lookup: Lookup): boolean {
    if (lookup.kind !== 'addresses') return entry.take(lookup, performance.now());
    const distinct = [...new Map(lookup.addresses.map((address) => [address.text, address])).values()];
    const { usable, refused } = sift(distinct, this.#settings.policy, this.#parts.ownAddresses());
    // Sorted, because servers rotate the order of addresses and this is no change.
    const addresses = usable.toSorted((one, other) => (one.text < other.text ? -1 : 1)).slice(0, mostAddresses);
    return entry.take({ kind: 'addresses', addresses, refused, ttl: lookup.ttl }, performance.now());
  }
}

function keyOf(name: string, family: Family): string {
  return `${name} ${family}`;
}
