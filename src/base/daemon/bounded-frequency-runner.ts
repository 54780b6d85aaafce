/** Runs a function soon after a request, once for all requests until then, and at most once per interval. */
export class BoundedFrequencyRunner {
  readonly #run: () => void;
  readonly #delay: number;
  readonly #interval: number;
  readonly #rest: number;
  #timer: NodeJS.Timeout | undefined;
  /** Time of the pending run, if any. */
  #due = 0;
  #ranAt = Number.NEGATIVE_INFINITY;
  /** Minimum milliseconds from the last run to the next. */
  #pause: number;

  /**
   * @param delay milliseconds between request and run; combines the requests in between
   * @param interval minimum milliseconds between two runs
   * @param rest minimum ratio of this time to the duration of the last run, so that long runs leave time to other work
   */
  constructor(run: () => void, delay: number, interval: number, rest = 0) {
    this.#run = run;
    this.#delay = delay;
    this.#interval = interval;
    this.#rest = rest;
    this.#pause = interval;
  }

  /** Requests a run at least `atLeast` milliseconds from now; the earliest of several requests counts. */
  request(atLeast = 0): void {
    const now = performance.now();
    const due = Math.max(now + Math.max(this.#delay, atLeast), this.#ranAt + this.#pause);
    if (this.#timer !== undefined && this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.runNow(), due - now);
  }

  /** Runs immediately for all pending requests. */
  runNow(): void {
    this.cancel();
    this.#ranAt = performance.now();
    this.#run();
    this.#pause = Math.max(this.#interval, (performance.now() - this.#ranAt) * this.#rest);
  }

  /** Cancels pending requests. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
