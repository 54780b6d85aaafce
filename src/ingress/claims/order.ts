import type { ObjectMeta } from '../../base/read/object-meta.ts';

/** Compares claims: oldest first, then lower UID. */
export function byAge(
  { meta: one }: { readonly meta: ObjectMeta },
  { meta: other }: { readonly meta: ObjectMeta },
): number {
  // Objects without a date have Infinity, and Infinity - Infinity is NaN.
  if (one.created !== other.created) return one.created < other.created ? -1 : 1;
  return one.uid < other.uid ? -1 : 1;
}

/** Compares objects of the Gateway API: like {@link byAge}, but equal age is ordered by `NAMESPACE/NAME`. */
export function byAgeAndName(
  { meta: one }: { readonly meta: ObjectMeta },
  { meta: other }: { readonly meta: ObjectMeta },
): number {
  if (one.created !== other.created) return one.created < other.created ? -1 : 1;
  return `${one.namespace}/${one.name}` < `${other.namespace}/${other.name}` ? -1 : 1;
}
