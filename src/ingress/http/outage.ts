/** Distinguishes a short interruption, such as a restart, from one that the statuses of Routes should report. */
export class Outage {
  readonly #limit: number;
  readonly #onLong: () => void;
  #since: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param limit milliseconds after which an interruption is considered long
   * @param onLong called when an interruption becomes long
   */
  constructor(limit: number, onLong: () => void) {
    this.#limit = limit;
    this.#onLong = onLong;
  }

  /** Records whether there is an interruption. Returns whether it is long. */
  note(isDown: boolean): boolean {
    const now = performance.now();
    if (!isDown) this.close();
    else if (this.#since === undefined) {
      this.#since = now;
      this.#timer = setTimeout(this.#onLong, this.#limit).unref();
    }
    return this.#since !== undefined && now - this.#since >= this.#limit;
  }

  /** Ends the current interruption, if any. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#since = undefined;
  }
}
