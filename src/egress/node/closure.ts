import type { AddressRival } from '../model/state.ts';

/** Rounds in a row in which the gateways answered and no rival did: then the address is free. */
const silentRounds = 3;

/** Rounds until a closed router listens again: the first time, and at most. Each time it meets a rival it waits twice as long. */
const wait = { first: 3, longest: 30 } as const;

/** Rounds after which a router that met no rival counts as one that never did. */
const peace = 60;

/** What a closed router does next. */
export type ClosureStep = 'wait' | 'begin' | 'ask';

/**
 * When a router that another machine's claim closed may open again: after a pause that grows with every claim, it
 * listens without an address, and opens when no machine claims the address for some rounds. A round is the interval at
 * which routers ask who has their addresses. Times are milliseconds of a monotonic clock.
 */
export class Closure {
  readonly #round: number;
  #rival: AddressRival | undefined;
  #claims = 0;
  #isListening = false;
  #silent = 0;
  #due = 0;
  #openedAt = 0;

  /** @param round milliseconds between two probes for the owner of the address */
  constructor(round: number) {
    this.#round = round;
  }

  /** Whose claim keeps the router closed; undefined: it is open. */
  get rival(): AddressRival | undefined {
    return this.#rival;
  }

  /** Milliseconds until the router listens again. */
  remaining(now: number): number {
    return Math.max(0, this.#due - now);
  }

  /** A rival has the address, and the router was closed. */
  close(rival: AddressRival, now: number): void {
    if (this.#rival === undefined && now - this.#openedAt > peace * this.#round) this.#claims = 0;
    this.#rival = rival;
    this.#isListening = false;
    this.#due = now + this.#round * Math.min(wait.longest, wait.first * 2 ** this.#claims);
    // It grows no further than that it matters.
    this.#claims = Math.min(this.#claims + 1, 16);
  }

  /** What is due: `begin` to listen, `ask` while listening. */
  next(now: number): ClosureStep {
    if (this.#isListening) return 'ask';
    return now < this.#due ? 'wait' : 'begin';
  }

  /** The interface hears now. */
  listen(): void {
    this.#isListening = true;
    this.#silent = 0;
  }

  /**
   * A round without a claim has passed; returns whether there were enough. One in which no gateway answered says
   * nothing: the wire may be cut, with the rival beyond.
   */
  hearSilence(isCutOff: boolean): boolean {
    this.#silent = isCutOff ? 0 : this.#silent + 1;
    return this.#silent >= silentRounds;
  }

  /** The router has its address again. */
  open(now: number): void {
    this.#rival = undefined;
    this.#isListening = false;
    this.#openedAt = now;
  }
}
