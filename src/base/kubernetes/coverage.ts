import { isRecord } from '../read/shape.ts';

/**
 * Returns whether an object contains everything that is desired. Other fields are defaults or belong to other
 * managers. List elements are compared one by one.
 */
export function isCovered(wanted: unknown, actual: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(actual) &&
      actual.length === wanted.length &&
      wanted.every((value, index) => isCovered(value, actual[index]))
    );
  }
  if (isRecord(wanted)) {
    return isRecord(actual) && Object.entries(wanted).every(([key, value]) => isCovered(value, actual[key]));
  }
  return wanted === actual;
}
