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

/**
 * Compares claims of Routes and listeners: oldest first. At equal age, Routes come first, ordered by UID, then
 * Gateways, ordered by `NAMESPACE/NAME` (Gateway API, conflict resolution).
 */
export function byClaim(one: Claimant, other: Claimant): number {
  if (one.meta.created !== other.meta.created) return one.meta.created < other.meta.created ? -1 : 1;
  const isListener = one.listener !== undefined;
  if (isListener !== (other.listener !== undefined)) return isListener ? 1 : -1;
  const isSameGateway = one.meta.namespace === other.meta.namespace && one.meta.name === other.meta.name;
  return isListener && !isSameGateway ? byAgeAndName(one, other) : byAge(one, other);
}

/** A Route, or a listener of a Gateway. */
interface Claimant {
  readonly meta: ObjectMeta;
  readonly listener?: string;
}

/** Compares objects of the Gateway API: like {@link byAge}, but equal age is ordered by `NAMESPACE/NAME`. */
export function byAgeAndName(
  { meta: one }: { readonly meta: ObjectMeta },
  { meta: other }: { readonly meta: ObjectMeta },
): number {
  if (one.created !== other.created) return one.created < other.created ? -1 : 1;
  return `${one.namespace}/${one.name}` < `${other.namespace}/${other.name}` ? -1 : 1;
}
