import { backoff } from './backoff.ts';

/** Milliseconds. */
const firstRetry = 500;
const lastRetry = 60_000;

/** Thrown by work that failed in part: what did not fail may have to be looked at before the rest is tried again. */
export class PartialFailure extends Error {
  /** Milliseconds after which to look again; undefined: that is as for any failure. */
  readonly next: number | undefined;

  constructor(cause: unknown, next: number | undefined) {
    super('Part of the work failed', { cause });
    this.next = next;
  }
}

/**
 * Keys to be worked on: each once at a time, however often it is asked for meanwhile, and again after
 * a failure, each time later.
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
   * @param longest milliseconds between two tries
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

  /** Requests work on a key after a delay in milliseconds; the earliest of several requests counts. */
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
      // What did not fail does not wait for what did.
      const soonest = (isPartial ? error.next : undefined) ?? lastRetry;
      next = Math.min(soonest, backoff(failures, { first: firstRetry, last: this.#longest }, cause));
      // News must not make a server that refuses be asked without end.
      this.#again.delete(key);
      this.#onFailure(key, cause, next);
    }
    this.#running.delete(key);
    if (this.#again.delete(key)) next = 0;
    if (next !== undefined) this.add(key, next);
  }
}
