import type { AddressRival } from '../model/state.ts';

/** Consecutive rounds in which a gateway answers and no rival does, after which the address is considered free. */
const silentRounds = 3;

/** Rounds until a closed router listens again: initial and maximum. Each further claim doubles the wait. */
const wait = { first: 3, longest: 30 } as const;

/** Rounds without a rival after which the backoff starts from its initial value again. */
const peace = 60;

/** Next step of a closed router. */
export type ClosureStep = 'wait' | 'begin' | 'ask';

/**
 * Decides when a router that was closed because of another machine's claim may open again. After a backoff that doubles
 * with every claim, the router listens without an address, and opens when no machine claims the address for several
 * rounds. A round is the interval between address probes. Times are monotonic milliseconds.
 */
export class Closure {
  readonly #round: number;
  #rival: AddressRival | undefined;
  #claims = 0;
  #isListening = false;
  #silent = 0;
  #due = 0;
  #openedAt = 0;

  /** @param round milliseconds between two address probes */
  constructor(round: number) {
    this.#round = round;
  }

  /** The claim that keeps the router closed; undefined if the router is open. */
  get rival(): AddressRival | undefined {
    return this.#rival;
  }

  /** Returns the milliseconds until the router listens again. */
  remaining(now: number): number {
    return Math.max(0, this.#due - now);
  }

  /** Records that a rival has the address and the router was closed. */
  close(rival: AddressRival, now: number): void {
    if (this.#rival === undefined && now - this.#openedAt > peace * this.#round) this.#claims = 0;
    this.#rival = rival;
    this.#isListening = false;
    this.#due = now + this.#round * Math.min(wait.longest, wait.first * 2 ** this.#claims);
    // Larger values have no further effect.
    this.#claims = Math.min(this.#claims + 1, 16);
  }

  /** Returns the step that is due: `begin` to listen, or `ask` while listening. */
  next(now: number): ClosureStep {
    if (this.#isListening) return 'ask';
    return now < this.#due ? 'wait' : 'begin';
  }

  /** Records that the interface is listening. */
  listen(): void {
    this.#isListening = true;
    this.#silent = 0;
  }

  /**
   * Records a round without a claim. Returns whether the router may open. A round in which no gateway answers resets
   * the count, because the link may be cut with the rival on the other side.
   */
  hearSilence(isCutOff: boolean): boolean {
    this.#silent = isCutOff ? 0 : this.#silent + 1;
    return this.#silent >= silentRounds;
  }

  /** Records that the router has its address again. */
  open(now: number): void {
    this.#rival = undefined;
    this.#isListening = false;
    this.#openedAt = now;
  }
}
