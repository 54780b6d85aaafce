import { isRecord } from '../../../base/read/shape.ts';

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
