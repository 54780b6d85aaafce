/**
 * Milliseconds for which a scheduler may take a dead node for healthy: 40 s, since Kubernetes 1.32 50 s, until it
 * has its taints, and some for them.
 */
const blindness = 60_000;

/** Nodes that were found dead of late: whatever leaves one of them must not be sent to another. */
export class DeadNodes {
  readonly #seen = new Map<string, number>();

  /** @param now milliseconds, of a clock that only goes forward */
  note(node: string, now: number): void {
    this.#seen.set(node, now);
  }

  /** Those of which the scheduler may not know yet, sorted. */
  recent(now: number): readonly string[] {
    for (const [node, at] of this.#seen) if (now - at > blindness) this.#seen.delete(node);
    return [...this.#seen.keys()].sort();
  }
}
