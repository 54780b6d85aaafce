/** Longest step in milliseconds. A power of two, as all steps are, so that the times of different steps coincide. */
const longestStep = 512;

/** Maximum share of a pause by which it is prolonged. */
const largestDelay = 1 / 16;

/** Timers that expire together. */
interface Moment {
  readonly runs: Set<() => void>;
  readonly timer: NodeJS.Timeout;
}

/**
 * Timers that expire in groups, because a wake-up of an idle process costs more than the work of one timer. They expire
 * up to a sixteenth of their time late unless the caller allows more, and never early.
 */
export class SharedTimers {
  readonly #moments = new Map<number, Moment>();

  /**
   * Calls a function once.
   *
   * @param milliseconds minimum time until then
   * @param step milliseconds; the call is up to this late. A power of two.
   * @returns a function that cancels the call
   */
  start(milliseconds: number, run: () => void, step: number = stepOf(milliseconds)): () => void {
    const now = performance.now();
    const at = Math.ceil((now + milliseconds) / step) * step;
    const moment = this.#moments.get(at) ?? this.#begin(at, at - now);
    // A function of its own, because the caller may start the same one twice.
    const call = (): void => run();
    moment.runs.add(call);
    return () => {
      moment.runs.delete(call);
      if (moment.runs.size > 0 || this.#moments.get(at) !== moment) return;
      clearTimeout(moment.timer);
      this.#moments.delete(at);
    };
  }

  /** Resolves once, as {@link start} calls a function. */
  wait(milliseconds: number, step?: number): Promise<void> {
    return new Promise((resolve) => this.start(milliseconds, resolve, step));
  }

  /**
   * Calls a function again and again.
   *
   * @param interval milliseconds; a power of two
   * @returns a function that ends the calls
   */
  repeat(interval: number, run: () => void): () => void {
    const next = (): void => {
      // Before the call, which may end the calls.
      cancel = this.start(1, next, interval);
      run();
    };
    let cancel = this.start(1, next, interval);
    return () => cancel();
  }

  #begin(at: number, milliseconds: number): Moment {
    const runs = new Set<() => void>();
    const timer = setTimeout(() => {
      this.#moments.delete(at);
      for (const run of runs) run();
    }, milliseconds);
    const moment = { runs, timer };
    this.#moments.set(at, moment);
    return moment;
  }
}

/** Returns the largest power of two that prolongs a pause by no more than its share. */
function stepOf(milliseconds: number): number {
  const most = milliseconds * largestDelay;
  return most < 1 ? 1 : Math.min(longestStep, 2 ** Math.floor(Math.log2(most)));
}

/** The timers of this process. Those of different parts expire together, too. */
export const sharedTimers = new SharedTimers();
