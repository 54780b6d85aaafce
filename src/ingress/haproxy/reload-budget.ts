/** Limits of the reloads that one owner may cause. */
export interface BudgetLimits {
  /** Reloads in a row. */
  readonly burst: number;
  /** Milliseconds until one more is allowed. */
  readonly refill: number;
}

/**
 * Token buckets of reloads per owner of changes. A change of an owner without tokens waits for its next token, or for
 * a reload that another owner causes. Times are monotonic milliseconds.
 */
export class ReloadBudget {
  readonly #limits: BudgetLimits;
  /** When an owner's bucket is full again. Full buckets are not stored. */
  readonly #fullAt = new Map<string, number>();

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  /** Returns the milliseconds until the owner may cause a reload; 0: now. */
  waitOf(owner: string, now: number): number {
    const { burst, refill } = this.#limits;
    return Math.max(0, (this.#fullAt.get(owner) ?? now) - now - (burst - 1) * refill);
  }

  /** Records that an owner caused a reload. */
  spend(owner: string, now: number): void {
    for (const [known, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(known);
    this.#fullAt.set(owner, Math.max(now, this.#fullAt.get(owner) ?? now) + this.#limits.refill);
  }
}
