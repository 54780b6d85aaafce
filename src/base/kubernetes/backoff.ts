import { KubeError } from './cluster-api.ts';

/** Backoff between attempts, in milliseconds. */
export interface BackoffTimes {
  /** Delay after the first failure. Each further failure doubles it. */
  readonly first: number;
  /** Maximum delay. */
  readonly last: number;
}

/** Maximum delay that a server may request, in milliseconds. */
const longestAsked = 60_000;

/**
 * Returns the milliseconds to wait before the next attempt.
 *
 * @param failures attempts that failed in a row, at least 1
 * @param error of the last attempt. If the server sent `Retry-After`, the delay is at least that, up to a minute.
 */
export function backoff(failures: number, { first, last }: BackoffTimes, error?: unknown): number {
  const asked = error instanceof KubeError ? (error.retryAfter ?? 0) : 0;
  return Math.max(Math.min(asked, longestAsked), Math.min(last, first * 2 ** (failures - 1)));
}
