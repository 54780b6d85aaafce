import { pause } from '../daemon/pause.ts';
import { isRecord } from '../read/shape.ts';
import { backoff } from './backoff.ts';
import { type KubeApi, KubeError, type Query, versionOf, type WatchEvent } from './cluster-api.ts';

/** Receives what {@link reflect} observes. */
export interface ReflectorHandler {
  /** All objects of the kind, never a partial list. */
  replace(objects: readonly unknown[]): void;
  put(object: unknown): void;
  remove(object: unknown): void;
  /** The server does not know the kind. */
  absent(): void;
  /** What prevents an up-to-date view, with the HTTP status. Undefined: nothing any more. */
  report(problem: string | undefined, status?: number): void;
}

/** Delays of a reflector, in milliseconds. */
export interface ReflectorTimes {
  /** Delay after the first failure. Each further failure doubles it. */
  readonly firstPause: number;
  readonly longestPause: number;
  /** Interval between checks for a kind that the server does not serve. */
  readonly absentPause: number;
}

export const ordinaryTimes: ReflectorTimes = { firstPause: 200, longestPause: 30_000, absentPause: 8_000 };

/** Number of objects per page of a list. */
const pageSize = 500;

/** Seconds after which the server ends a watch. */
const watchSeconds = 290;

/**
 * Follows all objects of a kind: lists them, then watches. After an interruption it resumes from the last event or
 * bookmark, and lists again if the server has compacted that version (410). Returns when `signal` aborts; never
 * throws.
 *
 * @param random 0–1, spreads the requests of many nodes after an outage of the server
 * @param selection parameters such as `labelSelector` for lists and watches
 */
export async function reflect(
  api: KubeApi,
  path: string,
  handler: ReflectorHandler,
  signal: AbortSignal,
  times: ReflectorTimes = ordinaryTimes,
  random: () => number = Math.random,
  selection: Query = {},
): Promise<void> {
  let version: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    const before = version;
    try {
      if (version === undefined) {
        const list = await listWhole(api, path, selection, signal);
        handler.replace(list.items);
        version = list.version;
        handler.report(undefined);
      }
      const query = { ...selection, resourceVersion: version, allowWatchBookmarks: true, timeoutSeconds: watchSeconds };
      const onEvent = (event: WatchEvent) => {
        version = follow(event, handler) ?? version;
        failures = 0;
        handler.report(undefined);
      };
      await api.watch(path, query, onEvent, signal);
      handler.report(undefined);
      // A server that ends every watch at once must not cause a busy loop.
      if (version === before) failures++;
      else failures = 0;
      await pause(failures === 0 ? 0 : pauseAfter(Math.min(failures, 3), times, random), signal);
    } catch (error) {
      if (signal.aborted) return;
      const { status, retryAfter } = error instanceof KubeError ? error : { status: 0, retryAfter: undefined };
      failures++;
      if (status === 410) {
        version = undefined;
        // The first failure may be a regular end of the watch, so it causes no delay.
        await pause(failures === 1 ? 0 : pauseAfter(failures, times, random), signal);
        continue;
      }
      if (status === 404) {
        handler.absent();
        // Jitter only shortens the delay, because a new API must be noticed within ten seconds.
        await pause(times.absentPause * (0.75 + 0.25 * random()), signal);
        continue;
      }
      handler.report(error instanceof Error ? error.message : String(error), status);
      await pause(Math.max(retryAfter ?? 0, pauseAfter(failures, times, random)), signal);
    }
  }
}

/** Passes on an event. Returns the version from which a watch can resume. */
function follow({ type, object }: WatchEvent, handler: ReflectorHandler): string | undefined {
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      handler.put(object);
      break;
    case 'DELETED':
      handler.remove(object);
      break;
    case 'BOOKMARK':
      break;
  }
  return versionOf(object);
}

/** Returns all pages of a list at one version. If a page has expired (410), the whole list fails. */
async function listWhole(
  api: KubeApi,
  path: string,
  selection: Query,
  signal: AbortSignal,
): Promise<{ readonly items: readonly unknown[]; readonly version: string }> {
  const items: unknown[] = [];
  let token = '';
  let version: string | undefined;
  do {
    const page = await api.get(
      path,
      { ...selection, limit: pageSize, ...(token !== '' && { continue: token }) },
      signal,
    );
    version = versionOf(page);
    if (!isRecord(page) || !Array.isArray(page.items) || version === undefined) {
      throw new KubeError(`Cannot list ${path}: the response is not a list`, 0);
    }
    for (const item of page.items) items.push(item);
    const next = isRecord(page.metadata) ? page.metadata.continue : undefined;
    token = typeof next === 'string' ? next : '';
  } while (token !== '');
  return { items, version };
}

function pauseAfter(failures: number, times: ReflectorTimes, random: () => number): number {
  const full = backoff(failures, { first: times.firstPause, last: times.longestPause });
  return full / 2 + (full / 2) * random();
}
