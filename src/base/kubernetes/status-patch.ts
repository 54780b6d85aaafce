import { isRecord } from '../read/shape.ts';
import { type KubeApi, KubeError, versionOf } from './cluster-api.ts';
import { checkLeadership, type Leadership } from './leadership.ts';

/** Attempts at one status while other writers change the object, too. */
const attempts = 5;

/** Where a status is, and what may be written of it. */
export interface StatusPatch {
  /** Of the object, without `/status`. */
  readonly path: string;
  /** Returns what to write, given the object as the server has it; undefined: it is as it should be. */
  readonly plan: (object: unknown) => Readonly<Record<string, unknown>> | undefined;
  /** Asked before each write. */
  readonly leadership: Leadership;
  readonly signal?: AbortSignal;
}

/**
 * Writes a status against the version of the object that was seen; when that is not the newest any more
 * (409), reads the object and plans again. Resolves to the object as it was written, `unchanged` where
 * nothing was to be written, `gone` where the object does not exist or another of its name does. Rejects with a
 * KubeError, 409 where others wrote in between each time, and with LeadershipLost.
 *
 * @param seen the object as it was last seen
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
    // Its status is planned when the watch shows it: what is known is about the object that it replaced.
    if (uidOf(current) !== uidOf(seen)) return 'gone';
  }
}

function uidOf(object: unknown): unknown {
  return isRecord(object) && isRecord(object.metadata) ? object.metadata.uid : undefined;
}

/** Whether a request was refused with an HTTP status. */
export function isStatus(error: unknown, status: number): boolean {
  return error instanceof KubeError && error.status === status;
}
