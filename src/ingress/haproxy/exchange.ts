import type { Backend, HttpBackend, HttpState, Settings } from './model.ts';
import { UnfitValue } from './quote.ts';

/** Statuses whose responses HAProxy can repeat. */
export const retryCodes = [401, 403, 404, 408, 425, 500, 501, 502, 503, 504] as const;

/** Number of tries for a connection that cannot be opened, after the first one: HAProxy's default. */
const usualRetries = 3;

/** Longest limit in milliseconds: HAProxy's timers have 31 bits. */
const longestLimit = 2 ** 31 - 1;

/** The line of a section that calls the Lua script. */
export const scriptLine = 'filter lua.exchange';

/** Returns whether requests of a backend need the Lua script. */
export function usesScript({ http }: Backend): boolean {
  return http?.mirrors !== undefined || http?.limit !== undefined;
}

/** Returns whether HAProxy loads the script: for routes of Gateways, or because a backend needs it. */
export function needsScript({ settings, backends }: HttpState): boolean {
  return settings.gateways !== undefined || [...backends.values()].some(usesScript);
}

/** Limits of an exchange in milliseconds. */
export interface Limits {
  /** From the request's headers to the end of the response. */
  readonly whole: number;
  /** Silence of the server. */
  readonly silence: number;
}

/** Returns the limits of a backend's exchanges, or undefined without any. Throws {@link UnfitValue}. */
export function limitsOf({ limit, retry }: HttpBackend): Limits | undefined {
  const { whole, attempt } = limit ?? {};
  const silence = Math.min(whole ?? Number.POSITIVE_INFINITY, attempt ?? Number.POSITIVE_INFINITY);
  if (!Number.isFinite(silence)) return undefined;
  const all = whole ?? silence * (1 + (retry?.attempts ?? 0));
  for (const time of [all, silence])
    if (!Number.isInteger(time) || time < 1) throw new UnfitValue(`limit of ${time} ms: must be a positive integer`);
  return { whole: Math.min(all, longestLimit), silence: Math.min(silence, longestLimit) };
}

/** Returns the lines of a section for retries, which are fixed when HAProxy starts. Throws {@link UnfitValue}. */
export function retryLines({ limit, retry }: HttpBackend): readonly string[] {
  if (retry === undefined) return [];
  const { attempts, codes } = retry;
  if (!Number.isInteger(attempts) || attempts < 0 || attempts > 100)
    throw new UnfitValue(`${attempts} retries: must be 0–100`);
  const unknown = codes.find((code) => !retryCodes.some((known) => known === code));
  if (unknown !== undefined)
    throw new UnfitValue(`retry of status ${unknown}: HAProxy repeats only ${retryCodes.join(', ')}`);
  const causes = ['conn-failure', 'empty-response', ...(limit?.attempt === undefined ? [] : ['response-timeout'])];
  return [`retries ${attempts}`, `retry-on ${[...causes, ...codes].join(' ')}`];
}

/**
 * Returns the lines of a backend's own section that depend on the settings: the time to connect must fit into its limit.
 * Spare sections have the usual time.
 */
export function connectLines({ http }: Backend, { timeouts }: Settings): readonly string[] {
  const limits = http === undefined ? undefined : limitsOf(http);
  if (limits === undefined) return [];
  // Between two tries, HAProxy waits as long as a connection may take, up to one second.
  const steps = http?.retry === undefined ? 2 * usualRetries + 1 : 2;
  const connect = Math.min(timeouts.connect, Math.max(1, Math.floor(limits.silence / steps)));
  return [`timeout connect ${connect}ms`, `timeout queue ${limits.silence}ms`];
}
