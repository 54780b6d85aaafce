import { byAgeAndName } from '../claims/order.ts';
import type { Attachment, ParentDecision } from './attachment.ts';
import type { GatewayListener } from './listener.ts';
import { NameIndex } from './name-index.ts';
import type { GatewayRoute } from './route.ts';

/** A route with the decisions about its parents. */
export interface AttachedRoute {
  readonly route: GatewayRoute;
  readonly decisions: readonly ParentDecision[];
}

/**
 * Returns the listeners on which each route yields to an older one of the other kind: an HTTPRoute and a GRPCRoute
 * cannot share a hostname of a listener (Gateway API, GRPCRouteSpec). Routes that yield nowhere are not in the result.
 */
export function findYielding(routes: Iterable<AttachedRoute>): ReadonlyMap<GatewayRoute, ReadonlySet<GatewayListener>> {
  const rivals = [...routes].filter(({ route }) => route.kind !== 'TLSRoute');
  const yielding = new Map<GatewayRoute, Set<GatewayListener>>();
  const kinds = new Set(rivals.map(({ route }) => route.kind));
  if (kinds.size < 2) return yielding;
  const taken = new Map<GatewayListener, Map<string, NameIndex>>();
  for (const { route, decisions } of rivals.map((one) => ({ ...one, meta: one.route.meta })).sort(byAgeAndName)) {
    // A refused route has no names.
    for (const { listener, hostnames } of decisions.flatMap(listAccepted)) {
      const names = taken.get(listener) ?? new Map<string, NameIndex>();
      taken.set(listener, names);
      const other = names.get(route.kind === 'HTTPRoute' ? 'GRPCRoute' : 'HTTPRoute');
      if (other !== undefined && hostnames.some((one) => other.meets(one))) {
        const list = yielding.get(route) ?? new Set();
        yielding.set(route, list.add(listener));
        continue;
      }
      const own = names.get(route.kind) ?? new NameIndex();
      names.set(route.kind, own);
      for (const one of hostnames) own.add(one);
    }
  }
  return yielding;
}

function listAccepted({ attachments, refusal }: ParentDecision): readonly Attachment[] {
  return refusal === undefined ? attachments : [];
}

/** Returns the decisions about a route without the listeners on which it yields. */
export function withoutYielded(
  { route, decisions }: AttachedRoute,
  listeners: ReadonlySet<GatewayListener>,
): readonly ParentDecision[] {
  const other = route.kind === 'HTTPRoute' ? 'GRPCRoute' : 'HTTPRoute';
  return decisions.map((decision): ParentDecision => {
    const attachments = decision.attachments.filter(({ listener }) => !listeners.has(listener));
    if (attachments.length === decision.attachments.length) return decision;
    if (attachments.length > 0) return { ...decision, attachments };
    const message = `an older ${other} shares a hostname on the listener; HTTPRoutes and GRPCRoutes cannot share one`;
    return { ...decision, attachments, refusal: { reason: 'HostnameConflict', message } };
  });
}
