import { isRecord } from '../read/shape.ts';
import { type KubeApi, KubeError, versionOf } from './cluster-api.ts';
import { checkLeadership, type Leadership } from './leadership.ts';

/** Attempts per status while other writers change the object. */
const attempts = 5;

/** A status to write and how to compute it. */
export interface StatusPatch {
  /** Path of the object, without `/status`. */
  readonly path: string;
  /** Returns the patch for the object as received, or undefined if its status is up to date. */
  readonly plan: (object: unknown) => Readonly<Record<string, unknown>> | undefined;
  /** Checked before each write. */
  readonly leadership: Leadership;
  readonly signal?: AbortSignal;
}

/**
 * Writes a status against the observed version of the object. On a conflict (409) it reads the object and plans
 * again. Resolves to the written object, to `unchanged` if the status was up to date, or to `gone` if the object no
 * longer exists or has been recreated. Rejects with a KubeError (409 if every attempt conflicted) or LeadershipLost.
 *
 * @param seen the object as last observed
 */
export async function patchStatus(
  api: KubeApi,
  seen: unknown,
  { path, plan, leadership, signal }: StatusPatch,
): Promise<{ readonly written: unknown } | 'unchanged' | 'gone'> {
  let current = seen;
  for (let attempt = 1; ; attempt++) {
    const status = plan(current);
    if (status === undefined) return 'unchanged';
    checkLeadership(leadership);
    try {
      const patch = { metadata: { resourceVersion: versionOf(current) }, status };
      return { written: await api.mergePatch(`${path}/status`, patch, signal) };
    } catch (error) {
      if (isStatus(error, 404)) return 'gone';
      if (!isStatus(error, 409) || attempt === attempts) throw error;
    }
    try {
      current = await api.get(path, {}, signal);
    } catch (error) {
      if (isStatus(error, 404)) return 'gone';
      throw error;
    }
    // The plan was computed for the previous object; the watch will deliver the new one.
    if (uidOf(current) !== uidOf(seen)) return 'gone';
  }
}

function uidOf(object: unknown): unknown {
  return isRecord(object) && isRecord(object.metadata) ? object.metadata.uid : undefined;
}

/** Returns whether a request failed with this HTTP status. */
export function isStatus(error: unknown, status: number): boolean {
  return error instanceof KubeError && error.status === status;
}
