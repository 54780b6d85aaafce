import type { Address, Family } from '../../base/model/address.ts';
import type { RefusedAddress } from './policy.ts';

/** How long answers are used, in milliseconds. */
export interface NameTimes {
  /** A shorter TTL counts as this. */
  readonly shortest: number;
  /** A longer TTL counts as this. */
  readonly longest: number;
  /** How long after its TTL an answer is used while no server answers. */
  readonly stale: number;
}

/** What became of a query, with the addresses that may be used. */
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

/** An answer as it is kept between processes. Times are milliseconds. */
export interface StoredAnswer {
  readonly name: string;
  readonly family: Family;
  readonly addresses: readonly Address[];
  /** Until the TTL ends; negative: it has ended. */
  readonly remaining: number;
  readonly sinceChange: number;
}

/** Milliseconds between queries that fail: the first time, and at most. */
const retry = { first: 1000, last: 30_000 } as const;

/** Milliseconds for which a negative answer counts at most. */
const longestNone = 60_000;

/** When an answer is refreshed, as a part of its TTL: at a random moment in between, so that queries spread. */
const refresh = { from: 0.75, to: 0.9 } as const;

/** The answer for one name and family, and when to ask again. */
export class NameEntry {
  readonly name: string;
  readonly family: Family;
  /** Resolves when a query was answered, or failed, for the first time. */
  readonly settled: Promise<void>;
  /** A query for it waits or is under way. */
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
  #timer: NodeJS.Timeout | undefined;

  constructor(name: string, family: Family, times: NameTimes) {
    this.name = name;
    this.family = family;
    this.#times = times;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** An entry with an answer of an earlier process, or undefined if that is too old. */
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

  /** Why the last query brought no address, or not all. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Whether the last query failed: the addresses, if there are any, are those of an earlier one. */
  get hasFailed(): boolean {
    return this.#failures > 0;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  get isScheduled(): boolean {
    return this.#timer !== undefined;
  }

  /** Milliseconds until the answer expires; undefined without one. */
  remaining(now: number): number | undefined {
    return this.#expires === undefined ? undefined : this.#expires - now;
  }

  sinceChange(now: number): number | undefined {
    return this.#changedAt === undefined ? undefined : now - this.#changedAt;
  }

  /** Takes what became of a query. Returns whether the addresses or the problem changed. */
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

  /** Calls back when it is time to ask again. */
  schedule(ask: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      ask();
    }, this.#pause);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** No server answers: the last answer counts for a while. */
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
