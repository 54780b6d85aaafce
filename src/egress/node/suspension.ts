import type { Standing } from './standing.ts';

/** Rounds without a rival after which a router resumes although the API server does not answer. */
const roundsAlone = 8;

/** Milliseconds until a suspended router is looked at again: that is replaced, and one that may not be. */
const pause = { replaced: 2000, other: 300 };

/**
 * Whether a router is suspended: nothing that the kernel sends leaves by its interface, because the router may have
 * been replaced while it was cut off. Times are milliseconds of a monotonic clock.
 */
export class Suspension {
  #reason: string | undefined;
  #since = 0;
  #silent = 0;
  #due = 0;

  /** Why it is suspended; undefined if it is not. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** For how long it has been suspended. */
  lasted(now: number): number {
    return Math.round(now - this.#since);
  }

  begin(reason: string, now: number): void {
    this.#reason = reason;
    this.#since = now;
    this.#silent = 0;
    this.#due = now;
  }

  /** Whether it is time to look whether it may resume. */
  isDue(now: number): boolean {
    return this.#reason !== undefined && now >= this.#due;
  }

  /**
   * A round has passed in which no machine claimed the address; returns whether the router may resume. One round is
   * enough when the API server confirms the router. When it does not answer, the silence of a wire whose gateway
   * answers must do.
   *
   * @param isCutOff no gateway answered, so that the silence says nothing
   */
  hearSilence(standing: Standing, isCutOff: boolean, now: number): boolean {
    this.#due = now + (standing === 'replaced' ? pause.replaced : pause.other);
    this.#silent = isCutOff || standing === 'replaced' ? 0 : this.#silent + 1;
    return this.#silent >= (standing === 'current' ? 1 : roundsAlone);
  }

  /** It could not be looked at; it is tried again later. */
  postpone(now: number): void {
    this.#due = now + pause.replaced;
  }

  end(): void {
    this.#reason = undefined;
  }
}
