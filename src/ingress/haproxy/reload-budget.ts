/** How many reloads one owner may cause. */
export interface BudgetLimits {
  /** At once. */
  readonly burst: number;
  /** Milliseconds until one more is allowed. */
  readonly refill: number;
}

/**
 * Allows each owner of changes a number of reloads. A change of an owner who has none left waits; it comes
 * into force with the next reload that another one causes, or when the owner is allowed one again. Times
 * are milliseconds of a clock that never goes back.
 */
export class ReloadBudget {
  readonly #limits: BudgetLimits;
  /** When the budget of an owner is full again; those whose is full are not kept. */
  readonly #fullAt = new Map<string, number>();

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  /** How long an owner must wait for a reload; 0: not at all. */
  waitOf(owner: string, now: number): number {
    const { burst, refill } = this.#limits;
    return Math.max(0, (this.#fullAt.get(owner) ?? now) - now - (burst - 1) * refill);
  }

  /** Notes that an owner caused a reload. */
  spend(owner: string, now: number): void {
    for (const [known, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(known);
    this.#fullAt.set(owner, Math.max(now, this.#fullAt.get(owner) ?? now) + this.#limits.refill);
  }
}
