import { KubeError } from './cluster-api.ts';

/** Pauses between attempts, in milliseconds. */
export interface BackoffTimes {
  /** After the first failure; each further one doubles it. */
  readonly first: number;
  /** The longest one. */
  readonly last: number;
}

/** Milliseconds: the longest wait that a server may ask for. */
const longestAsked = 60_000;

/**
 * Returns the milliseconds to wait before the next attempt.
 *
 * @param failures attempts that failed in a row, at least 1
 * @param error of the last attempt: a server that asks to wait (`Retry-After`) gets at least that, up to a minute
 */
export function backoff(failures: number, { first, last }: BackoffTimes, error?: unknown): number {
  const asked = error instanceof KubeError ? (error.retryAfter ?? 0) : 0;
  return Math.max(Math.min(asked, longestAsked), Math.min(last, first * 2 ** (failures - 1)));
}
