import type { SharedTimers } from '../../base/daemon/shared-timers.ts';
import type { Address, Family } from '../../base/model/address.ts';
import type { RefusedAddress } from './policy.ts';

/** Limits for the lifetime of answers, in milliseconds. */
export interface NameTimes {
  /** Minimum TTL. Shorter ones are raised to it. */
  readonly shortest: number;
  /** Maximum TTL. Longer ones are reduced to it. */
  readonly longest: number;
  /** How long an answer is used after its TTL while no server answers. */
  readonly stale: number;
}

/** Result of a query after the policy was applied to its addresses. */
export type EntryLookup =
  | {
      readonly kind: 'addresses';
      readonly addresses: readonly Address[];
      readonly refused: readonly RefusedAddress[];
      /** Seconds. */
      readonly ttl: number;
    }
  | { readonly kind: 'none'; readonly reason: string; readonly ttl: number | undefined }
  | { readonly kind: 'failed'; readonly reason: string };

/** An answer in the form that survives a restart. Times are milliseconds. */
export interface StoredAnswer {
  readonly name: string;
  readonly family: Family;
  readonly addresses: readonly Address[];
  /** Time until the TTL expires; negative if it has expired. */
  readonly remaining: number;
  readonly sinceChange: number;
}

/** Initial and maximum backoff after failed queries, in milliseconds. */
const retry = { first: 1000, last: 30_000 } as const;

/** Maximum lifetime of a negative answer in milliseconds. */
const longestNone = 60_000;

/** Range of the random share of its TTL after which an answer is refreshed, so that queries are spread over time. */
const refresh = { from: 0.75, to: 0.9 } as const;

/** The answer for one name and family, and the schedule of its queries. */
export class NameEntry {
  readonly name: string;
  readonly family: Family;
  /** Resolves when the first query has succeeded or failed. */
  readonly settled: Promise<void>;
  /** Whether a query is queued or in progress. */
  isAsking = false;
  readonly #times: NameTimes;
  #settle: () => void = () => {};
  #addresses: readonly Address[] = [];
  #refused: readonly RefusedAddress[] = [];
  #problem: string | undefined;
  #failures = 0;
  #isSettled = false;
  #expires: number | undefined;
  #changedAt: number | undefined;
  #pause = 0;
  #cancel: (() => void) | undefined;

  constructor(name: string, family: Family, times: NameTimes) {
    this.name = name;
    this.family = family;
    this.#times = times;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Returns an entry with an answer of a previous process, or undefined if the answer is too old. */
  static restore(
    { name, family, addresses, remaining, sinceChange }: StoredAnswer,
    times: NameTimes,
  ): NameEntry | undefined {
    if (remaining < -times.stale || addresses.length === 0) return undefined;
    const entry = new NameEntry(name, family, times);
    const now = performance.now();
    entry.#addresses = addresses;
    entry.#expires = now + Math.min(remaining, times.longest);
    entry.#changedAt = now - Math.max(0, sinceChange);
    // Soon, but not all at once.
    entry.#pause = Math.random() * Math.min(5000, times.longest);
    entry.#markSettled();
    return entry;
  }

  get addresses(): readonly Address[] {
    return this.#addresses;
  }

  get refused(): readonly RefusedAddress[] {
    return this.#refused;
  }

  /** Why the last query returned no address, or why some of its addresses are not used. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Whether the last query failed. Any addresses are then from an earlier query. */
  get hasFailed(): boolean {
    return this.#failures > 0;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  get isScheduled(): boolean {
    return this.#cancel !== undefined;
  }

  /** Returns the milliseconds until the answer expires, or undefined if there is none. */
  remaining(now: number): number | undefined {
    return this.#expires === undefined ? undefined : this.#expires - now;
  }

  sinceChange(now: number): number | undefined {
    return this.#changedAt === undefined ? undefined : now - this.#changedAt;
  }

  /** Records the result of a query. Returns whether the addresses or the problem changed. */
  take(lookup: EntryLookup, now: number): boolean {
    const before = this.#describe();
    switch (lookup.kind) {
      case 'addresses': {
        const ttl = this.#clamp(lookup.ttl * 1000);
        this.#failures = 0;
        this.#expires = now + ttl;
        this.#pause = ttl * (refresh.from + Math.random() * (refresh.to - refresh.from));
        this.#refused = lookup.refused;
        this.#problem = describeRefused(lookup.refused);
        this.#replace(lookup.addresses, now);
        break;
      }
      case 'none':
        this.#failures = 0;
        this.#expires = undefined;
        this.#pause = Math.min(longestNone, this.#clamp((lookup.ttl ?? 0) * 1000));
        this.#refused = [];
        this.#problem = lookup.reason;
        this.#replace([], now);
        break;
      case 'failed':
        this.#fail(lookup.reason, now);
        break;
    }
    this.#markSettled();
    return before !== this.#describe();
  }

  /** Calls back when the next query is due. */
  schedule(timers: SharedTimers, ask: () => void): void {
    this.cancel();
    this.#cancel = timers.start(this.#pause, () => {
      this.#cancel = undefined;
      ask();
    });
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Records that no server answered. The last answer stays valid for the stale time. */
  #fail(reason: string, now: number): void {
    this.#failures++;
    this.#problem = reason;
    const backoff = Math.min(retry.last, retry.first * 2 ** Math.min(this.#failures - 1, 10));
    const pause = Math.min(backoff, this.#times.longest) * (0.75 + Math.random() / 2);
    const left = this.#expires === undefined ? 0 : this.#expires + this.#times.stale - now;
    if (left <= 0) {
      this.#expires = undefined;
      this.#replace([], now);
      this.#pause = pause;
    } else this.#pause = Math.min(pause, left + 1);
  }

  #clamp(milliseconds: number): number {
    return Math.min(this.#times.longest, Math.max(this.#times.shortest, milliseconds));
  }

  #replace(addresses: readonly Address[], now: number): void {
    const isSame =
      addresses.length === this.#addresses.length &&
      addresses.every(({ text }, index) => text === this.#addresses[index]?.text);
    if (isSame) return;
    this.#addresses = addresses;
    this.#changedAt = now;
  }

  #markSettled(): void {
    this.#isSettled = true;
    this.#settle();
  }

  #describe(): string {
    return JSON.stringify([this.#addresses, this.#refused, this.#problem, this.hasFailed]);
  }
}

function describeRefused(refused: readonly RefusedAddress[]): string | undefined {
  const [first, ...more] = refused;
  if (first === undefined) return undefined;
  const others = more.length === 0 ? '' : `, and ${more.length} more`;
  return `${first.address} ${first.reason}, so it is not used${others}; --allow-destinations can allow it`;
}
