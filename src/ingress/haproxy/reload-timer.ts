/** Runs the next reload when it is due, at least an interval after the last. Times are milliseconds. */
export class ReloadTimer {
  readonly #interval: number;
  readonly #run: () => void;
  #last = Number.NEGATIVE_INFINITY;
  #dueAt = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** @param interval between the starts of two reloads, at least */
  constructor(interval: number, run: () => void) {
    this.#interval = interval;
    this.#run = run;
  }

  /** Notes that HAProxy reads its files at this time. */
  noteReload(now: number): void {
    this.#last = now;
  }

  /** Schedules a reload; one that is due earlier stays, since it applies this change too. */
  schedule(now: number, least: number): void {
    const wait = Math.max(least, this.#last + this.#interval - now);
    if (now + wait >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = now + wait;
    this.#timer = setTimeout(this.#run, wait);
  }

  /** Notes that the scheduled reload begins, so that another can be scheduled. */
  begin(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
