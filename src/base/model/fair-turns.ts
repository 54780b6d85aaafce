/**
 * Turns of several tenants who wait for one worker: the one that has used least goes next, so that a small job
 * never waits for the rest of a large one. A tenant that begins to wait has no credit from the past.
 */
export class FairTurns {
  readonly #used = new Map<string, number>();

  /** Tenants that wait, the next first. Those who no longer wait are forgotten. */
  order(waiting: Iterable<string>): readonly string[] {
    const tenants = new Set(waiting);
    for (const known of this.#used.keys()) if (!tenants.has(known)) this.#used.delete(known);
    const least = Math.min(...this.#used.values());
    for (const tenant of tenants)
      if (!this.#used.has(tenant)) this.#used.set(tenant, Number.isFinite(least) ? least : 0);
    // A new one before those who wait already: it has the smaller job, as far as is known.
    return [...tenants].reverse().sort((one, other) => this.#usedBy(one) - this.#usedBy(other));
  }

  /** Notes what a tenant's turn took, in any unit. */
  spend(tenant: string, amount: number): void {
    this.#used.set(tenant, this.#usedBy(tenant) + amount);
  }

  #usedBy(tenant: string): number {
    return this.#used.get(tenant) ?? 0;
  }
}
