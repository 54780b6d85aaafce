/** HAProxy's units of time, in microseconds. */
const units: Readonly<Record<string, number>> = {
  us: 1,
  ms: 1000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
};

/** The longest time that HAProxy counts (and OpenShift's router passes on), in milliseconds: 24.8 days. */
export const maxDuration = 2_147_483_647;

/** What a time must look like, for messages. */
export const durationCure = 'must be a time such as "30s": a number above 0 and us, ms, s, m, h, d or nothing (ms)';

/**
 * Reads a time in HAProxy's form into milliseconds: without a unit milliseconds, never less than one,
 * capped at {@link maxDuration}. Undefined for anything else, zero and leading zeros included.
 */
export function parseDuration(text: string): number | undefined {
  // The bound keeps a text of millions of digits from being looked at.
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

/** Units of Go's durations, in milliseconds. */
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

/** What the time of an option must look like, for messages. */
export const optionTimeCure = 'must be a time such as "30s", "1m30s" or "1.5s" (ns us ms s m h d; no unit: ms)';

/**
 * Reads the time of an option or a variable into milliseconds: HAProxy's form, as {@link parseDuration}, or that
 * of Go's `time.ParseDuration`, in which OpenShift's programs write their variables. Zero is `0` with any unit.
 * A time above zero is at least one millisecond; capped at {@link maxDuration}. Undefined for any other text.
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
