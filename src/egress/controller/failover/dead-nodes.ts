/**
 * Milliseconds for which a scheduler may consider a dead node healthy: 40 s (50 s since Kubernetes 1.32) until the
 * node gets its taints, and some more until the scheduler observes them.
 */
const blindness = 60_000;

/** Nodes that died recently. A router that leaves one of them must not move to another. */
export class DeadNodes {
  readonly #seen = new Map<string, number>();
  readonly #suspected = new Set<string>();

  /** @param now monotonic milliseconds */
  note(node: string, now: number): void {
    this.#seen.set(node, now);
  }

  /**
   * Records a node that a template avoids: another controller may have just observed its death. Only the first time
   * counts, because templates keep such names forever.
   */
  suspect(node: string, now: number): void {
    if (this.#suspected.has(node)) return;
    this.#suspected.add(node);
    if (!this.#seen.has(node)) this.note(node, now);
  }

  /** Records that the node is alive. */
  forget(node: string): void {
    this.#seen.delete(node);
  }

  /** Returns the dead nodes that the scheduler may not know yet, sorted. */
  recent(now: number): readonly string[] {
    for (const [node, at] of this.#seen) if (now - at > blindness) this.#seen.delete(node);
    return [...this.#seen.keys()].sort();
  }
}
