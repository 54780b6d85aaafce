/**
 * The end of one request: when its time is over, or when the caller does not want it any more. Not
 * `AbortSignal.any`, whose parts stay with a signal that lives as long as the daemon.
 */
export class Limit {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #follow = (): void => this.#controller.abort(this.#parent?.reason);
  #timer: NodeJS.Timeout | undefined;
  #isTimeout = false;

  /** @param milliseconds time until {@link extend} says otherwise; undefined: no limit until {@link endIn} */
  constructor(milliseconds: number | undefined, parent: AbortSignal | undefined) {
    this.#parent = parent;
    if (parent?.aborted === true) this.#follow();
    else parent?.addEventListener('abort', this.#follow, { once: true });
    if (milliseconds !== undefined) this.extend(milliseconds);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the time was over before anything else ended the request. */
  get isTimeout(): boolean {
    return this.#isTimeout;
  }

  /** Restarts the limit, in milliseconds from now. */
  extend(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (this.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#isTimeout = true;
      this.#controller.abort(new DOMException('the time is over', 'TimeoutError'));
    }, milliseconds);
  }

  /** Sets a limit, in milliseconds from now, if there is none. */
  endIn(milliseconds: number): void {
    if (this.#timer === undefined) this.extend(milliseconds);
  }

  /** Ends what still runs, and removes the listener from the caller's signal. */
  close(): void {
    clearTimeout(this.#timer);
    this.#parent?.removeEventListener('abort', this.#follow);
    this.#controller.abort();
  }
}

/** Runs a request that ends after so many milliseconds, or when `parent` aborts. */
export async function within<T>(
  milliseconds: number,
  parent: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new Limit(milliseconds, parent);
  try {
    return await run(limit.signal);
  } finally {
    limit.close();
  }
}
