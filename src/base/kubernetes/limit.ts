/**
 * A timeout of one request that also ends it when the caller aborts. `AbortSignal.any` does not fit, because its
 * parts stay attached to a signal that lives as long as the daemon.
 */
export class Limit {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #follow = (): void => this.#controller.abort(this.#parent?.reason);
  #timer: NodeJS.Timeout | undefined;
  #isTimeout = false;

  /** @param milliseconds timeout until {@link extend} changes it; undefined: none until {@link endIn} */
  constructor(milliseconds: number | undefined, parent: AbortSignal | undefined) {
    this.#parent = parent;
    if (parent?.aborted === true) this.#follow();
    else parent?.addEventListener('abort', this.#follow, { once: true });
    if (milliseconds !== undefined) this.extend(milliseconds);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the timeout ended the request. */
  get isTimeout(): boolean {
    return this.#isTimeout;
  }

  /** Restarts the timeout, in milliseconds from now. */
  extend(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (this.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#isTimeout = true;
      this.#controller.abort(new DOMException('the time is over', 'TimeoutError'));
    }, milliseconds);
  }

  /** Sets a timeout, in milliseconds from now, unless there is one. */
  endIn(milliseconds: number): void {
    if (this.#timer === undefined) this.extend(milliseconds);
  }

  /** Stops the timer and removes the listener from the caller's signal. */
  close(): void {
    clearTimeout(this.#timer);
    this.#parent?.removeEventListener('abort', this.#follow);
    this.#controller.abort();
  }
}

/** Runs a request that ends after a timeout in milliseconds, or when `parent` aborts. */
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
