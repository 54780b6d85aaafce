import { type KubeApi, KubeError, versionOf } from './cluster-api.ts';

/** Attempts at one status while others write the object, too. */
const attempts = 5;

/** Where a status is, and what may be written of it. */
export interface StatusPatch {
  /** Of the object, without `/status`. */
  readonly path: string;
  /** What to write, given the object as the server has it; undefined: nothing, all is as it should be. */
  readonly plan: (object: unknown) => Readonly<Record<string, unknown>> | undefined;
  /** Called before each write; throws where this process may not write any more. */
  readonly checkWriter?: () => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes a status against the version of the object that was seen; when that is not the newest any more
 * (409), reads the object and plans again. Resolves to the object as it was written, `unchanged` where
 * nothing was to be written, `gone` where the object is. Rejects with a KubeError: 409 where others wrote in
 * between each time.
 *
 * @param seen the object as it was last seen
 */
export async function patchStatus(
  api: KubeApi,
  seen: unknown,
  { path, plan, checkWriter, signal }: StatusPatch,
): Promise<{ readonly written: unknown } | 'unchanged' | 'gone'> {
  let current = seen;
  for (let attempt = 1; ; attempt++) {
    const status = plan(current);
    if (status === undefined) return 'unchanged';
    checkWriter?.();
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
  }
}

/** Whether a request was refused with an HTTP status. */
export function isStatus(error: unknown, status: number): boolean {
  return error instanceof KubeError && error.status === status;
}
