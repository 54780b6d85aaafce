import { type Json, mergeEntries, readRecords } from '../../base/kubernetes/conditions.ts';
import type { SeenObject, StatusChange } from '../../base/kubernetes/status-writer.ts';
import { makeIngress, type RouteIngress, type RouterIdentity, type RouteStatus } from './status.ts';

/**
 * Returns the status change of a Route: this router's entry in `status.ingress` next to those of other routers, or
 * its removal if this router no longer serves the Route.
 */
export function planRoute(
  status: RouteStatus | undefined,
  identity: RouterIdentity,
  { status: written }: SeenObject,
  now: Date,
): StatusChange | undefined {
  const isOurs = (entry: Json): boolean => entry.routerName === identity.routerName;
  const before = readRecords(written.ingress).find(isOurs) as RouteIngress | undefined;
  const merge = (entries: readonly RouteIngress[]): readonly Json[] =>
    mergeEntries(entries as readonly object[] as readonly Json[], written.ingress, isOurs, () => true);
  if (status === undefined) return before === undefined ? undefined : { status: { ingress: merge([]) }, wanted: '' };
  const entry = makeIngress(status, identity, before, now);
  if (entry === before) return undefined;
  const { reason, message, admitted } = status;
  return {
    status: { ingress: merge([entry]) },
    wanted: JSON.stringify([entry.host, admitted, reason, message]),
    ...(reason !== undefined && { event: { reason, message: message ?? '' } }),
  };
}
