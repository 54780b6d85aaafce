/** API group of all kinds of the Gateway API. */
export const gatewayGroup = 'gateway.networking.k8s.io';

/** The API's limits are 32 parents, 16 rules, 64 matches of a rule, and 16 backends of a rule. */
const maxItems = 64;

/** Returns the items of an unvalidated list, up to a number above every limit of the API. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, maxItems) : [];
}

/** Returns whether a value is a port, 1–65535. */
export function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** Returns whether an optional field is absent. Go programs write unset fields as null. */
export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}
