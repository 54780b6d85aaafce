/** Milliseconds; a slow API server does not make terms longer than this. */
const longest = 15_000;

/** A term is at least this many times as long as a request takes: it holds several renewals and a lost one. */
const requestsPerTerm = 6;

/**
 * How long a Lease holds without renewal, and the times that follow from it, in milliseconds. Short terms make a
 * takeover fast, but an API server that answers slowly would end every one of them. Terms are therefore as long as
 * configured, and longer while two requests in a row were slow.
 */
export class LeaseTerm {
  /** The configured duration; others wait at least as long for this process's own takeover. */
  readonly base: number;
  #last = 0;
  #slow = 0;

  constructor(base: number) {
    this.base = base;
  }

  /** Notes how long a request took. A single slow one, such as over a dead connection, does not count. */
  note(took: number): void {
    this.#slow = Math.max(Math.min(took, this.#last), this.#slow * 0.9);
    this.#last = took;
  }

  get #duration(): number {
    return Math.max(this.base, Math.min(longest, this.#slow * requestsPerTerm));
  }

  /** What a Lease says; whole seconds, never less than the duration. */
  get seconds(): number {
    return Math.ceil(this.#duration / 1000);
  }

  /** From the start of a renewal, for its holder to act: the rest of the duration covers what is under way. */
  get acting(): number {
    return (this.#duration * 3) / 4;
  }

  /** Between two renewals. */
  get interval(): number {
    return this.#duration / 4;
  }

  /** Before another attempt after a failed renewal. */
  get retry(): number {
    return this.#duration / 20;
  }

  /** For one request. */
  get limit(): number {
    return Math.ceil(this.#duration / 3);
  }
}
