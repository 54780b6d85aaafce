/**
 * Runs something soon after it was asked for, however often it is asked meanwhile, and not more often
 * than an interval allows.
 */
export class Pacer {
  readonly #run: () => void;
  readonly #delay: number;
  readonly #interval: number;
  #timer: NodeJS.Timeout | undefined;
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

  /** Asks for a run, `atLeast` milliseconds from now. */
  request(atLeast = 0): void {
    if (this.#timer !== undefined) return;
    const wait = Math.max(this.#delay, atLeast, this.#ranAt + this.#interval - performance.now());
    this.#timer = setTimeout(() => this.runNow(), wait);
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
