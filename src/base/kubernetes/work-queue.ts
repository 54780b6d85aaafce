import { backoff } from './backoff.ts';

/** Backoff in milliseconds. */
const firstRetry = 500;
const lastRetry = 60_000;

/** Thrown by work that failed in part. The part that succeeded may need attention before the next retry. */
export class PartialFailure extends Error {
  /** Milliseconds until the next run that the successful part needs. Undefined: the backoff decides. */
  readonly next: number | undefined;

  constructor(cause: unknown, next: number | undefined) {
    super('Part of the work failed', { cause });
    this.next = next;
  }
}

/**
 * A queue of keys. Each key is processed by one worker at a time, however often it is added, and is retried with
 * backoff after a failure.
 */
export class WorkQueue {
  readonly #work: (key: string) => Promise<number | undefined>;
  readonly #onFailure: (key: string, error: unknown, retry: number) => void;
  readonly #longest: number;
  readonly #timers = new Map<string, { readonly timer: NodeJS.Timeout; readonly due: number }>();
  readonly #running = new Set<string>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  #isClosed = false;

  /**
   * @param work may resolve to the milliseconds after which the key must be processed again; see {@link PartialFailure}
   * @param longest maximum backoff in milliseconds
   */
  constructor(
    work: (key: string) => Promise<number | undefined>,
    onFailure: (key: string, error: unknown, retry: number) => void,
    longest = lastRetry,
  ) {
    this.#longest = longest;
    this.#work = work;
    this.#onFailure = onFailure;
  }

  /** Adds a key after a delay in milliseconds. If a key is added several times, the earliest time wins. */
  add(key: string, delay = 0): void {
    if (this.#isClosed) return;
    if (this.#running.has(key)) {
      if (delay === 0) this.#again.add(key);
      return;
    }
    const due = performance.now() + delay;
    const known = this.#timers.get(key);
    if (known !== undefined && known.due <= due) return;
    clearTimeout(known?.timer);
    this.#timers.set(key, { due, timer: setTimeout(() => void this.#run(key), delay) });
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  async #run(key: string): Promise<void> {
    this.#timers.delete(key);
    this.#running.add(key);
    let next: number | undefined;
    try {
      next = await this.#work(key);
      this.#failures.delete(key);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      const isPartial = error instanceof PartialFailure;
      const cause = isPartial ? error.cause : error;
      // The successful part does not wait for the backoff of the failed one.
      const soonest = (isPartial ? error.next : undefined) ?? lastRetry;
      next = Math.min(soonest, backoff(failures, { first: firstRetry, last: this.#longest }, cause));
      // New events must not send requests without pause to a server that rejects them.
      this.#again.delete(key);
      this.#onFailure(key, cause, next);
    }
    this.#running.delete(key);
    if (this.#again.delete(key)) next = 0;
    if (next !== undefined) this.add(key, next);
  }
}
