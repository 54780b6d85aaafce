import { LRUCache } from 'lru-cache';
import type { RouterPod } from '../failover/pods.ts';

/** How far a configuration has come in a router's pod. */
export type Progress =
  /** It is in force, or the pod that will have it is not ready yet. */
  | { readonly kind: 'settled' }
  /** Its node's daemon has some time left, in milliseconds. */
  | { readonly kind: 'pending'; readonly left: number }
  /** The pod must be replaced. */
  | { readonly kind: 'replace'; readonly reason: string }
  /** The daemon could not apply it, and another pod could not either. */
  | { readonly kind: 'refused'; readonly reason: string };

/** The configuration that is in force in a pod: what its daemon says, or what it began with. */
export function inForce({ applied, configuration }: RouterPod): string | undefined {
  return applied ?? configuration;
}

/** Start of the current view of pods: silence does not count while the API server was unreachable. */
export class Sight {
  #isLost = false;
  #since = 0;

  /** Milliseconds, of a clock that only goes forward. */
  get since(): number {
    return this.#since;
  }

  /** Pods cannot be followed: what their daemons say may not be heard. */
  lose(): void {
    this.#isLost = true;
  }

  /** The API server answers. */
  confirm(now: number): void {
    if (this.#isLost) this.#since = now;
    this.#isLost = false;
  }
}

/** Pods that are waited for at once. */
const mostRemembered = 10_000;

/** Watches how long pods have been without a configuration that they could have. */
export class LiveChanges {
  readonly #timeout: number;
  /** Which configuration a pod is without, and since when; no event says that a pod is gone. */
  readonly #since = new LRUCache<string, { readonly wanted: string; readonly at: number }>({ max: mostRemembered });

  /** @param timeout milliseconds that a node's daemon has to apply a configuration to a living router */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /**
   * @param pod of the structure that is wanted
   * @param wanted digest of the configuration
   * @param now milliseconds, of a clock that only goes forward
   * @param seenSince from when on a daemon could be heard, by the same clock
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
