/** Runs the next reload when it is due, with a minimum interval between reloads. Times are in milliseconds. */
export class ReloadTimer {
  readonly #interval: number;
  readonly #run: () => void;
  #last = Number.NEGATIVE_INFINITY;
  #dueAt = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** @param interval minimum time between the starts of two reloads */
  constructor(interval: number, run: () => void) {
    this.#interval = interval;
    this.#run = run;
  }

  /** Records that HAProxy loads its files at this time. */
  noteReload(now: number): void {
    this.#last = now;
  }

  /** Schedules a reload. An earlier one is kept, because it applies this change, too. */
  schedule(now: number, least: number): void {
    const wait = Math.max(least, this.#last + this.#interval - now);
    if (now + wait >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = now + wait;
    this.#timer = setTimeout(this.#run, wait);
  }

  /** Records that the scheduled reload begins, so that another can be scheduled. */
  begin(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
