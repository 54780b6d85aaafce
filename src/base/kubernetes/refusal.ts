import { KubeError } from './cluster-api.ts';

/** HTTP statuses of races, of authentication and rate limits, and of an unavailable server: temporary. */
const passing = new Set([401, 404, 408, 409, 410, 429, 502, 503, 504]);

/**
 * Returns whether a request was rejected for its content: by validation, missing permissions, a quota, or an
 * admission webhook. A webhook may return any status, and while it is broken the API server answers 500.
 */
export function isRefusal(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status >= 400 && !passing.has(error.status);
}
