/** Milliseconds between renewals. Rules expire after ten minutes without one. */
const interval = 60_000;

/** Dependencies of a {@link Renewal}. */
export interface RenewalParts {
  /** Prevents the rules from expiring. Throws if the rules are gone. */
  readonly renew: () => void;
  /** Called when the rules are gone and must be applied again. */
  readonly onLost: () => void;
  readonly report: (problem: string | undefined) => void;
}

/** Keeps the rules active while an agent runs. */
export class Renewal {
  readonly #parts: RenewalParts;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: RenewalParts) {
    this.#parts = parts;
  }

  /** Renews at once, because an earlier agent may have exited long ago, and then every minute. */
  start(): void {
    this.#renew();
    this.#timer = setInterval(() => this.#renew(), interval).unref();
  }

  /** Renews once more, so that the next agent has ten minutes to start. */
  stop(): void {
    clearInterval(this.#timer);
    try {
      this.#parts.renew();
    } catch {
      // The next agent applies them again.
    }
  }

  #renew(): void {
    try {
      this.#parts.renew();
      this.#parts.report(undefined);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#parts.report(`the rules of the open ports are gone; applying them again: ${reason}`);
      this.#parts.onLost();
    }
  }
}
