/**
 * What node daemon and controller tell each other of a router that changes while it lives: by annotations of
 * its pod.
 */

/**
 * The configuration that is in force: the digest of the definition's text; of a pod with several routers all
 * digests, in the order of their interfaces, by commas. Whoever may write a pod may write this: the daemon never
 * takes it for what it did.
 */
export const appliedAnnotation = 'egress-router.io/applied';

/** The configuration that is not, and why. */
export const refusedAnnotation = 'egress-router.io/refused';

/** Whose claim keeps the router of a pod closed, by interface: `net1: 192.168.12.99 is in use by 02:…`. Absent: none's. */
export const closedAnnotation = 'egress-router.io/closed';

/** A configuration that could not be applied to a living router. */
export interface LiveRefusal {
  /** Digest of the definition's text, as in {@link appliedAnnotation}. */
  readonly configuration: string;
  /** Whether another pod may have it: its address, gateway or interface is another. */
  readonly needsReplacement: boolean;
  /** For the router's author. */
  readonly message: string;
}

/** Reads {@link refusedAnnotation}; undefined for what is none. */
export function readRefusal(text: unknown): LiveRefusal | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    const { configuration, needsReplacement, message } = JSON.parse(text);
    if (typeof configuration !== 'string' || typeof message !== 'string') return undefined;
    return { configuration, needsReplacement: needsReplacement === true, message };
  } catch {
    return undefined;
  }
}
