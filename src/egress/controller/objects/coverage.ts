import { isRecord } from '../../../base/read/shape.ts';

/**
 * Whether an object has everything that is wanted of it; what else it has are defaults and others'
 * business. Elements of lists are compared one by one.
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

/** UID of the object that owns another as its controller; undefined where there is none. */
export function controllerOf(object: unknown): string | undefined {
  const uid = readController(object)?.uid;
  return typeof uid === 'string' ? uid : undefined;
}

/** As {@link controllerOf}, its name. */
export function controllerNameOf(object: unknown): string | undefined {
  const name = readController(object)?.name;
  return typeof name === 'string' ? name : undefined;
}

/** As {@link controllerOf}, its kind. */
export function controllerKindOf(object: unknown): string | undefined {
  const kind = readController(object)?.kind;
  return typeof kind === 'string' ? kind : undefined;
}

function readController(object: unknown): Readonly<Record<string, unknown>> | undefined {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const owners = Array.isArray(metadata.ownerReferences) ? metadata.ownerReferences : [];
  return owners.filter(isRecord).find((one) => one.controller === true);
}
