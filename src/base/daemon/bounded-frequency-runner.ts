/**
 * Runs something soon after it was asked for, however often it is asked meanwhile, and not more often
 * than an interval allows.
 */
export class BoundedFrequencyRunner {
  readonly #run: () => void;
  readonly #delay: number;
  readonly #interval: number;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer runs, if there is one. */
  #due = 0;
  #ranAt = Number.NEGATIVE_INFINITY;

  /**
   * @param delay milliseconds between asking and running; what is asked in between is one
   * @param interval milliseconds between two runs, at least
   */
  constructor(run: () => void, delay: number, interval: number) {
    this.#run = run;
    this.#delay = delay;
    this.#interval = interval;
  }

  /** Asks for a run, `atLeast` milliseconds from now; the earliest of several requests counts. */
  request(atLeast = 0): void {
    const now = performance.now();
    const due = Math.max(now + Math.max(this.#delay, atLeast), this.#ranAt + this.#interval);
    if (this.#timer !== undefined && this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.runNow(), due - now);
  }

  /** Runs at once, for all that was asked. */
  runNow(): void {
    this.cancel();
    this.#ranAt = performance.now();
    this.#run();
  }

  /** Forgets what was asked. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
