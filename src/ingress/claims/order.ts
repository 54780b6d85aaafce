import type { ObjectMeta } from '../../base/read/object-meta.ts';

/** The order of claims: the oldest first, then the lower UID (reference: ingress, claims). */
export function byAge(
  { meta: one }: { readonly meta: ObjectMeta },
  { meta: other }: { readonly meta: ObjectMeta },
): number {
  // Undated ones are Infinity, and Infinity - Infinity is no number.
  if (one.created !== other.created) return one.created < other.created ? -1 : 1;
  return one.uid < other.uid ? -1 : 1;
}

/** As {@link byAge}, of objects of the Gateway API: of equal age by `NAMESPACE/NAME`. */
export function byAgeAndName(
  { meta: one }: { readonly meta: ObjectMeta },
  { meta: other }: { readonly meta: ObjectMeta },
): number {
  if (one.created !== other.created) return one.created < other.created ? -1 : 1;
  return `${one.namespace}/${one.name}` < `${other.namespace}/${other.name}` ? -1 : 1;
}
