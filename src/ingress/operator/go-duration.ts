/** Units of Go durations in nanoseconds. */
const units: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Pattern of a Go duration without a sign, for schemas. */
export const durationPattern = '^(0|([0-9]+([.][0-9]+)?(ns|us|µs|μs|ms|s|m|h))+)$';
const pattern = new RegExp(durationPattern);

/** Expected form of a duration, for messages. */
export const goDurationCure = 'must be a duration such as "30s" or "1m30s" (ns, us, ms, s, m, h)';

/** Parses a Go duration (`time.ParseDuration`) without a sign into nanoseconds. Undefined for any other text. */
export function parseGoDuration(text: string): number | undefined {
  if (text.length > 64 || !pattern.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)([a-zµμ]+)/g)) {
    sum += Number(number) * (units[unit] ?? 0);
  }
  return Math.round(sum);
}

const longest = 2_147_483_647;

/**
 * Formats nanoseconds as OpenShift's operator does for HAProxy: in the largest unit that loses nothing above a
 * microsecond, and at most HAProxy's longest time.
 */
export function formatHaproxyTime(nanoseconds: number): string {
  if (nanoseconds <= 0) return '0s';
  if (nanoseconds > longest * 1e6) return `${longest}ms`;
  const micros = Math.floor(nanoseconds / 1e3);
  if (micros % 1000 !== 0) return `${micros}us`;
  const millis = micros / 1000;
  if (millis % 1000 !== 0) return `${millis}ms`;
  if (millis % 60_000 !== 0) return `${millis / 1000}s`;
  return millis % 3_600_000 === 0 ? `${millis / 3_600_000}h` : `${millis / 60_000}m`;
}

const second = 1e9;

/** Returns the reload interval in HAProxy's format: 5 s by default, and from 1 to 120 s. */
export function formatReloadInterval(nanoseconds = 0): string {
  const interval = nanoseconds === 0 ? 5 * second : Math.min(120 * second, Math.max(second, nanoseconds));
  return formatHaproxyTime(interval);
}

/**
 * Returns a time of the annotation for hard stops, at most HAProxy's longest, in days or as a Go duration. Undefined
 * for any other text.
 */
export function clipHaproxyTime(text: string): string | undefined {
  const days = /^(\d{1,9})d$/.exec(text)?.[1];
  if (days !== undefined) return Number(days) * 86_400_000 > longest ? `${longest}ms` : text;
  const nanoseconds = parseGoDuration(text);
  if (nanoseconds === undefined) return undefined;
  return nanoseconds / 1e6 > longest ? `${longest}ms` : text;
}
