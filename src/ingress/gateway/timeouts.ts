import { isRecord } from '../../base/read/shape.ts';
import type { ExchangeDemand } from '../intent/group.ts';
import { type Fault, isFault, wrong } from './matches.ts';
import { isAbsent, listOf } from './parts.ts';

/** Tries after the first one if the route does not state a number, which the API leaves to implementations. */
const usualAttempts = 1;

/** Maximum number of tries after the first one. */
const mostAttempts = 100;

/** Statuses that HAProxy can repeat. The API demands only 500, 502, 503 and 504. */
const codes: readonly unknown[] = [401, 403, 404, 408, 425, 500, 501, 502, 503, 504];

/** Parses the timeouts and retries of a rule (HTTPRouteTimeouts, HTTPRouteRetry). Nothing set: an empty demand. */
export function readExchange({ timeouts, retry }: Record<string, unknown>, at: string): ExchangeDemand | Fault {
  const limit = readTimeouts(timeouts, `${at}.timeouts`);
  if (isFault(limit)) return limit;
  const tries = readRetry(retry, `${at}.retry`);
  if (tries === undefined) return limit;
  if (isFault(tries)) return tries;
  const { whole, attempt } = limit;
  // HAProxy limits each try; it cannot cut the last one short. Without retries, the first one is the whole.
  if (whole !== undefined && tries.attempts > 0 && (attempt === undefined || attempt * (1 + tries.attempts) > whole)) {
    const cure = `with ${tries.attempts} retries, backendRequest must be set to at most 1/${1 + tries.attempts} of request`;
    return wrong(`${at}.timeouts`, timeouts, cure);
  }
  return { ...limit, retry: tries };
}

function readTimeouts(written: unknown, at: string): Pick<ExchangeDemand, 'whole' | 'attempt'> | Fault {
  if (isAbsent(written)) return {};
  if (!isRecord(written)) return wrong(at, written, 'must be an object with request and backendRequest');
  const whole = readDuration(written.request, `${at}.request`);
  if (typeof whole === 'object') return whole;
  const attempt = readDuration(written.backendRequest, `${at}.backendRequest`);
  if (typeof attempt === 'object') return attempt;
  if (whole > 0 && attempt > whole) {
    return wrong(`${at}.backendRequest`, written.backendRequest, 'must not be longer than request');
  }
  return { ...(whole > 0 && { whole }), ...(attempt > 0 && { attempt }) };
}

const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/** Parses a duration of the Gateway API (GEP-2257) in milliseconds; 0: none. */
function readDuration(written: unknown, at: string): number | Fault {
  if (isAbsent(written)) return 0;
  if (typeof written !== 'string' || !/^(?:[0-9]{1,5}(?:h|ms|m|s)){1,4}$/.test(written)) {
    return wrong(at, written, 'must be a duration such as "10s", "500ms" or "1h30m"');
  }
  return [...written.matchAll(/(\d+)(h|ms|m|s)/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * units[unit as keyof typeof units],
    0,
  );
}

function readRetry(written: unknown, at: string): ExchangeDemand['retry'] | Fault {
  if (isAbsent(written)) return undefined;
  if (!isRecord(written)) return wrong(at, written, 'must be an object with codes and attempts');
  const { attempts, backoff } = written;
  if (!isAbsent(backoff)) {
    return wrong(`${at}.backoff`, backoff, 'is not supported: HAProxy retries at once; remove it');
  }
  const count = isAbsent(attempts) ? usualAttempts : attempts;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > mostAttempts) {
    return wrong(`${at}.attempts`, attempts, `must be a whole number from 0 to ${mostAttempts}`);
  }
  if (!isAbsent(written.codes) && !Array.isArray(written.codes)) {
    return wrong(`${at}.codes`, written.codes, 'must be a list of statuses');
  }
  const wanted = [...new Set(listOf(written.codes))];
  for (const code of wanted) {
    if (!codes.includes(code)) return wrong(`${at}.codes`, code, `must be one of ${codes.join(', ')}`);
  }
  return { attempts: count, codes: wanted as readonly number[] };
}
