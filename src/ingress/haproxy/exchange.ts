import type { Backend, HttpBackend, Settings } from './model.ts';
import { UnfitValue } from './quote.ts';

/** Statuses whose responses HAProxy can repeat. */
export const retryCodes = [401, 403, 404, 408, 425, 500, 501, 502, 503, 504] as const;

/** Number of tries for a connection that cannot be opened, after the first one: HAProxy's default. */
const usualRetries = 3;

/** Longest limit in milliseconds: HAProxy's timers have 31 bits. */
const longestLimit = 2 ** 31 - 1;

/** Returns whether sections of a backend call the filters of the Lua script. */
export function usesScript({ http }: Backend): boolean {
  return http?.mirrors !== undefined || http?.limit !== undefined;
}

/**
 * Returns the lines of a section for mirrors, limits and retries. They are fixed when HAProxy starts.
 * Throws {@link UnfitValue}.
 */
export function exchangeLines({ mirrors, limit, retry }: HttpBackend): readonly string[] {
  const lines: string[] = [];
  if (mirrors !== undefined) lines.push('filter lua.mirror');
  const whole = wholeOf({ limit, retry });
  if (whole !== undefined) {
    for (const time of [whole, attemptOf(limit) ?? whole])
      if (!Number.isInteger(time) || time < 1) throw new UnfitValue(`limit of ${time} ms: must be a positive integer`);
    lines.push(`filter lua.deadline ${Math.min(whole, longestLimit)}`);
    lines.push(`timeout server ${Math.min(attemptOf(limit) ?? whole, longestLimit)}ms`);
  }
  if (retry === undefined) return lines;
  const { attempts, codes } = retry;
  if (!Number.isInteger(attempts) || attempts < 0 || attempts > 100)
    throw new UnfitValue(`${attempts} retries: must be 0–100`);
  const unknown = codes.find((code) => !retryCodes.some((known) => known === code));
  if (unknown !== undefined)
    throw new UnfitValue(`retry of status ${unknown}: HAProxy repeats only ${retryCodes.join(', ')}`);
  const causes = ['conn-failure', 'empty-response', ...(limit?.attempt === undefined ? [] : ['response-timeout'])];
  return [...lines, `retries ${attempts}`, `retry-on ${[...causes, ...codes].join(' ')}`];
}

/** Returns the lines of a section that depend on the settings: the time to connect must fit into the limit. */
export function exchangeSettings({ http }: Backend, { timeouts, compression }: Settings): readonly string[] {
  const { mirrors, limit, retry } = http ?? {};
  const lines: string[] = [];
  // Beside other filters, HAProxy wants this one to be written.
  if (compression !== undefined && (mirrors !== undefined || limit !== undefined)) lines.push('filter compression');
  const attempt = attemptOf(limit);
  if (attempt === undefined) return lines;
  // Between two tries, HAProxy waits as long as a connection may take, up to one second.
  const steps = retry === undefined ? 2 * usualRetries + 1 : 2;
  const connect = Math.min(timeouts.connect, Math.max(1, Math.floor(attempt / steps)));
  return [...lines, `timeout connect ${connect}ms`, `timeout queue ${Math.min(attempt, longestLimit)}ms`];
}

function attemptOf(limit: HttpBackend['limit']): number | undefined {
  if (limit === undefined) return undefined;
  const { whole = Number.POSITIVE_INFINITY, attempt = Number.POSITIVE_INFINITY } = limit;
  const least = Math.min(whole, attempt);
  return Number.isFinite(least) ? least : undefined;
}

/** Returns the limit of the whole exchange: without one, that of all tries. */
function wholeOf({
  limit,
  retry,
}: {
  readonly limit: HttpBackend['limit'];
  readonly retry: HttpBackend['retry'];
}): number | undefined {
  if (limit === undefined) return undefined;
  const { whole, attempt } = limit;
  return whole ?? (attempt === undefined ? undefined : attempt * (1 + (retry?.attempts ?? 0)));
}
