import { isRecord } from '../../../base/read/shape.ts';

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

/** Returns the UID of an object's controller, or undefined if it has none. */
export function controllerOf(object: unknown): string | undefined {
  const uid = readController(object)?.uid;
  return typeof uid === 'string' ? uid : undefined;
}

/** Returns the name of an object's controller. */
export function controllerNameOf(object: unknown): string | undefined {
  const name = readController(object)?.name;
  return typeof name === 'string' ? name : undefined;
}

/** Returns the kind of an object's controller. */
export function controllerKindOf(object: unknown): string | undefined {
  const kind = readController(object)?.kind;
  return typeof kind === 'string' ? kind : undefined;
}

function readController(object: unknown): Readonly<Record<string, unknown>> | undefined {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const owners = Array.isArray(metadata.ownerReferences) ? metadata.ownerReferences : [];
  return owners.filter(isRecord).find((one) => one.controller === true);
}
