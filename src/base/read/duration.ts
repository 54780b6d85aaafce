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
