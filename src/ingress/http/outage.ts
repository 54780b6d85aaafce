/** Tells a short interruption, such as a restart, from one that authors of Routes should know of. */
export class Outage {
  readonly #limit: number;
  readonly #onLong: () => void;
  #since: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param limit milliseconds after which an interruption is long
   * @param onLong called when {@link note} would return true for the first time
   */
  constructor(limit: number, onLong: () => void) {
    this.#limit = limit;
    this.#onLong = onLong;
  }

  /** Notes whether there is an interruption now; returns whether it is long. */
  note(isDown: boolean): boolean {
    const now = performance.now();
    if (!isDown) this.close();
    else if (this.#since === undefined) {
      this.#since = now;
      this.#timer = setTimeout(this.#onLong, this.#limit).unref();
    }
    return this.#since !== undefined && now - this.#since >= this.#limit;
  }

  /** Forgets an interruption. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#since = undefined;
  }
}
