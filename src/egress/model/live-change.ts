/** Pod annotations by which the node daemon reports live configuration changes to the controller. */

/**
 * Applied configuration: the digests of the network definitions, separated by commas in the order of the pod's
 * interfaces. Anyone who can patch the pod can forge it, so the daemon never relies on it.
 */
export const appliedAnnotation = 'egress-router.io/applied';

/** The configuration that could not be applied, and the reason. */
export const refusedAnnotation = 'egress-router.io/refused';

/**
 * Address conflicts that keep routers of the pod closed, by interface: `net1: 192.168.12.99 is in use by 02:…`.
 * Absent if there are none.
 */
export const closedAnnotation = 'egress-router.io/closed';

/**
 * DNS names of the pod's routers with their addresses, in the form of `egress/api/name-report.ts`. Anyone who can patch
 * the pod can forge it, so readers take from it only what they can check, and only names that the EgressRouter has.
 */
export const namesAnnotation = 'egress-router.io/names';

/** A configuration that could not be applied to a running router. */
export interface LiveRefusal {
  /** Digest of the definition's text, as in {@link appliedAnnotation}. */
  readonly configuration: string;
  /** Whether it requires a new pod, because the address, gateway or interface differs. */
  readonly needsReplacement: boolean;
  /** Message for the author of the configuration. */
  readonly message: string;
}

/** Parses {@link refusedAnnotation}; undefined if it is invalid. */
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
