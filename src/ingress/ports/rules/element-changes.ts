import { type NftElement, writeKey, writeValue } from '../../../base/rules/nftables/element.ts';
import { listOwnElements, type PortLayout, type SharedThing } from './layout.ts';

/** Elements are created on demand, because all elements of a first load would fill the memory. */
export function collect<T>(
  changes: readonly T[],
  list: (change: T) => Iterable<NftElement>,
  shared: readonly (readonly [string, SharedThing])[],
  groups: readonly NftElement[],
): Iterable<NftElement> {
  return {
    *[Symbol.iterator]() {
      yield* groups;
      for (const [, thing] of shared) if (thing.kind === 'element') yield thing.element;
      for (const change of changes) yield* list(change);
    },
  };
}

export function listGone(before: PortLayout, after: PortLayout | undefined): Iterable<NftElement> {
  return after === undefined ? listOwnElements(before) : without(before, after);
}

export function listCome(before: PortLayout | undefined, after: PortLayout): Iterable<NftElement> {
  return before === undefined ? listOwnElements(after) : without(after, before);
}

/** Returns the elements of one layout that another lacks or has with a different value. */
function without(one: PortLayout, other: PortLayout): NftElement[] {
  const known = new Set(Array.from(listOwnElements(other), identify));
  return Array.from(listOwnElements(one)).filter((element) => !known.has(identify(element)));
}

function identify(element: NftElement): string {
  return `${element.collection} ${writeKey(element)} : ${writeValue(element)}`;
}
