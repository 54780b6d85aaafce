/**
 * Milliseconds for which a scheduler may take a dead node for healthy: 40 s, since Kubernetes 1.32 50 s, until it
 * has its taints, and some for them.
 */
const blindness = 60_000;

/** Nodes that died of late: whatever leaves one of them must not be sent to another. */
export class DeadNodes {
  readonly #seen = new Map<string, number>();
  readonly #suspected = new Set<string>();

  /** @param now milliseconds, of a clock that only goes forward */
  note(node: string, now: number): void {
    this.#seen.set(node, now);
  }

  /**
   * A template names a node to stay away from: another controller may have seen it die just before. Counts the
   * first time alone, since templates keep such names for ever.
   */
  suspect(node: string, now: number): void {
    if (this.#suspected.has(node)) return;
    this.#suspected.add(node);
    if (!this.#seen.has(node)) this.note(node, now);
  }

  /** It lives. */
  forget(node: string): void {
    this.#seen.delete(node);
  }

  /** Those of which the scheduler may not know yet, sorted. */
  recent(now: number): readonly string[] {
    for (const [node, at] of this.#seen) if (now - at > blindness) this.#seen.delete(node);
    return [...this.#seen.keys()].sort();
  }
}
