import { LRUCache } from 'lru-cache';
import type { RouterPod } from '../failover/pods.ts';

/** Progress of a configuration in a router's pod. */
export type Progress =
  /** Applied, or the pod that will have it is not ready yet. */
  | { readonly kind: 'settled' }
  /** The node daemon has this many milliseconds left. */
  | { readonly kind: 'pending'; readonly left: number }
  /** The pod must be replaced. */
  | { readonly kind: 'replace'; readonly reason: string }
  /** The daemon could not apply it, and another pod could not either. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Returns the applied configuration of a pod: the one that its daemon reported, otherwise the initial one. */
export function inForce({ applied, configuration }: RouterPod): string | undefined {
  return applied ?? configuration;
}

/** Start of the current view of pods. Silence does not count while the API server was unreachable. */
export class Sight {
  #isLost = false;
  #since = 0;

  /** Monotonic milliseconds. */
  get since(): number {
    return this.#since;
  }

  /** Records that pods cannot be followed, so reports of their daemons may be missed. */
  lose(): void {
    this.#isLost = true;
  }

  /** Records that the API server answers. */
  confirm(now: number): void {
    if (this.#isLost) this.#since = now;
    this.#isLost = false;
  }
}

/** Maximum number of pods with a pending configuration. */
const mostRemembered = 10_000;

/** Tracks how long pods have been without the desired configuration. */
export class LiveChanges {
  readonly #timeout: number;
  /** The configuration that a pod lacks, and since when. No event reports the end of a pod. */
  readonly #since = new LRUCache<string, { readonly wanted: string; readonly at: number }>({ max: mostRemembered });

  /** @param timeout milliseconds for a node daemon to apply a configuration to a running router */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /**
   * @param pod with the desired structure
   * @param wanted digest of the desired configuration
   * @param now monotonic milliseconds
   * @param seenSince since when reports of daemons can be received, by the same clock
   */
  judge(pod: RouterPod, wanted: string, now: number, seenSince = 0): Progress {
    if (!pod.isReady || pod.isEnding || inForce(pod) === wanted) {
      this.#since.delete(pod.uid);
      return { kind: 'settled' };
    }
    if (pod.refused?.configuration === wanted) {
      const { needsReplacement, message } = pod.refused;
      return needsReplacement ? { kind: 'replace', reason: message } : { kind: 'refused', reason: message };
    }
    const known = this.#since.get(pod.uid);
    const since = known?.wanted === wanted ? known.at : now;
    this.#since.set(pod.uid, { wanted, at: since });
    const left = Math.max(since, seenSince) + this.#timeout - now;
    if (left > 0) return { kind: 'pending', left };
    return {
      kind: 'replace',
      reason: `the daemon of node ${pod.node} did not apply it within ${this.#timeout / 1000} s`,
    };
  }
}
