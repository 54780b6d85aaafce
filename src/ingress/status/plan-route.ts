import { isRecord } from '../../base/read/shape.ts';
import { makeIngress, type RouteIngress, type RouterIdentity, type RouteStatus } from './status.ts';
import type { SeenObject, StatusChange } from './status-writer.ts';

/**
 * What must be written of a Route's status: this router's entry in `status.ingress` beside those of other
 * routers, or that it goes where the Route is no longer for this router.
 */
export function planRoute(
  status: RouteStatus | undefined,
  identity: RouterIdentity,
  { status: written }: SeenObject,
  now: Date,
): StatusChange | undefined {
  const seen: readonly unknown[] = Array.isArray(written.ingress) ? written.ingress : [];
  const isOurs = (entry: unknown) => isRecord(entry) && entry.routerName === identity.routerName;
  const before = seen.find(isOurs) as RouteIngress | undefined;
  const others = seen.filter((entry) => !isOurs(entry));
  if (status === undefined) return before === undefined ? undefined : { status: { ingress: others }, wanted: '' };
  const readable = before !== undefined && Array.isArray(before.conditions) ? before : undefined;
  const entry = makeIngress(status, identity, readable, now);
  if (entry === before) return undefined;
  const { reason, message, status: admitted } = entry.conditions[0] ?? {};
  return {
    status: { ingress: [...others, entry] },
    wanted: JSON.stringify([entry.host, admitted, reason, message]),
    ...(status.reason !== undefined && { event: { reason: status.reason, message: status.message ?? '' } }),
  };
}
