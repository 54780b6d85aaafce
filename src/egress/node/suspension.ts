import type { Standing } from './standing.ts';

/** Consecutive rounds without a rival after which a router resumes even without an answer from the API server. */
const roundsAlone = 8;

/** Milliseconds between rounds of a suspended router, if it has been replaced and otherwise. */
const pause = { replaced: 2000, other: 300 };

/**
 * Tracks the suspension of a router. A suspended router sends no packets on its interface, because it may have been
 * replaced while it was cut off. Times are monotonic milliseconds.
 */
export class Suspension {
  #reason: string | undefined;
  #since = 0;
  #silent = 0;
  #due = 0;

  /** Reason of the suspension; undefined if the router is not suspended. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Returns the duration of the suspension in milliseconds. */
  lasted(now: number): number {
    return Math.round(now - this.#since);
  }

  begin(reason: string, now: number): void {
    this.#reason = reason;
    this.#since = now;
    this.#silent = 0;
    this.#due = now;
  }

  /** Returns whether the next round is due. */
  isDue(now: number): boolean {
    return this.#reason !== undefined && now >= this.#due;
  }

  /**
   * Records a round in which no machine claimed the address. Returns whether the router may resume. One round is enough
   * if the API server confirms the router. If the API server does not answer, several rounds are needed in which a
   * gateway answers and no rival does.
   *
   * @param isCutOff whether no gateway answered, so that a rival might not have been reached either
   */
  hearSilence(standing: Standing, isCutOff: boolean, now: number): boolean {
    this.#due = now + (standing === 'replaced' ? pause.replaced : pause.other);
    this.#silent = isCutOff || standing === 'replaced' ? 0 : this.#silent + 1;
    return this.#silent >= (standing === 'current' ? 1 : roundsAlone);
  }

  /** Delays the next round after a failed one. */
  postpone(now: number): void {
    this.#due = now + pause.replaced;
  }

  end(): void {
    this.#reason = undefined;
  }
}
