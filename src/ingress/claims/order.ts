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

/**
 * The order of claims of Routes and of listeners: the oldest first. Of equal age, Routes come first, by UID, and
 * then Gateways, by `NAMESPACE/NAME` (Gateway API, conflict resolution).
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

/** As {@link byAge}, of objects of the Gateway API: of equal age by `NAMESPACE/NAME`. */
export function byAgeAndName(
  { meta: one }: { readonly meta: ObjectMeta },
  { meta: other }: { readonly meta: ObjectMeta },
): number {
  if (one.created !== other.created) return one.created < other.created ? -1 : 1;
  return `${one.namespace}/${one.name}` < `${other.namespace}/${other.name}` ? -1 : 1;
}
