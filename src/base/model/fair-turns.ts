/**
 * Turns of tenants that wait for one worker. The tenant with the least use is next, so that a small job never waits
 * for the rest of a large one. A new tenant has no credit for the past.
 */
export class FairTurns {
  readonly #used = new Map<string, number>();

  /** Returns waiting tenants in the order of their turns. Forgets tenants that no longer wait. */
  order(waiting: Iterable<string>): readonly string[] {
    const tenants = new Set(waiting);
    for (const known of this.#used.keys()) if (!tenants.has(known)) this.#used.delete(known);
    const least = Math.min(...this.#used.values());
    for (const tenant of tenants)
      if (!this.#used.has(tenant)) this.#used.set(tenant, Number.isFinite(least) ? least : 0);
    // New tenants first, because their jobs are probably smaller.
    return [...tenants].reverse().sort((one, other) => this.#usedBy(one) - this.#usedBy(other));
  }

  /** Adds the cost of a tenant's turn, in any unit. */
  spend(tenant: string, amount: number): void {
    this.#used.set(tenant, this.#usedBy(tenant) + amount);
  }

  #usedBy(tenant: string): number {
    return this.#used.get(tenant) ?? 0;
  }
}
