/** HAProxy's time units in microseconds. */
const units: Readonly<Record<string, number>> = {
  us: 1,
  ms: 1000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
};

/** Maximum time of HAProxy, which OpenShift's router also uses, in milliseconds: 24.8 days. */
export const maxDuration = 2_147_483_647;

/** Expected form of a time, for messages. */
export const durationCure = 'must be a time such as "30s": a number above 0 and us, ms, s, m, h, d or nothing (ms)';

/**
 * Parses a time in HAProxy's syntax into milliseconds, the default unit. The result is at least 1 and at most
 * {@link maxDuration}. Undefined for any other text, including zero and leading zeros.
 */
export function parseDuration(text: string): number | undefined {
  // The bound limits the cost of text with millions of digits.
  const [, digits, unit = 'ms'] = (text.length <= 32 && /^([1-9]\d*)(us|ms|s|m|h|d)?$/.exec(text)) || [];
  if (digits === undefined) return undefined;
  return Math.min(maxDuration, Math.max(1, Math.round((Number(digits) * (units[unit] ?? 1000)) / 1000)));
}

/** The shortest time between two health checks of an endpoint, in milliseconds: each costs CPU of the router and the endpoint. */
export const minCheckInterval = 500;

/** What the interval of health checks must look like, for messages. */
export const checkIntervalCure = `${durationCure}, at least ${minCheckInterval}ms`;

/** Reads the interval of health checks as {@link parseDuration}; undefined also below {@link minCheckInterval}. */
export function parseCheckInterval(text: string): number | undefined {
  const interval = parseDuration(text);
  return interval !== undefined && interval >= minCheckInterval ? interval : undefined;
}

/** Units of Go durations in milliseconds. */
const goUnits: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const goDuration = /^\+?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;

/** Expected form of an option's time, for messages. */
export const optionTimeCure = 'must be a time such as "30s", "1m30s" or "1.5s" (ns us ms s m h d; no unit: ms)';

/**
 * Parses the time of an option or variable into milliseconds, in the syntax of {@link parseDuration} or of Go's
 * `time.ParseDuration`, which OpenShift's programs use. Zero is `0` with any unit. Other times are at least one
 * millisecond and at most {@link maxDuration}. Undefined for any other text.
 */
export function parseOptionTime(text: string): number | undefined {
  if (text.length > 64) return undefined;
  if (/^0+(?:us|ms|s|m|h|d)?$/.test(text)) return 0;
  const plain = parseDuration(text);
  if (plain !== undefined || !goDuration.test(text)) return plain;
  let sum = 0;
  for (const [, number, unit = ''] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)([a-zµμ]+)/g)) {
    sum += Number(number) * (goUnits[unit] ?? 0);
  }
  return sum === 0 ? 0 : Math.min(maxDuration, Math.max(1, Math.round(sum)));
}
