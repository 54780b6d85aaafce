import type { Pending } from '../intent/plane.ts';
import type { Service } from '../objects/service.ts';
import { type ConditionDraft, no, yes } from './conditions.ts';
import type { Gateway } from './gateway.ts';
import { type GatewayObjects, isAllowed, isGranted, isMeant, kindOfRoute, takesKind } from './gateways.ts';
import type { L4Route, ParentRef } from './l4-route.ts';

/** Result of a route's attachment (Gateway API, RouteParentStatus). */
export interface ParentReport {
  readonly parentRef: Readonly<Record<string, unknown>>;
  readonly conditions: readonly ConditionDraft[];
  /** A data plane has not applied the route yet, so its written status is preserved. */
  readonly isPending?: true;
}

/** Returns the part of a listener that is not applied. */
interface PendingLookup {
  readonly pendingOf: (gateway: Gateway, listener: string) => Pending | undefined;
}

/** Returns Services by `NAMESPACE/NAME`. */
export interface ServiceLookup {
  readonly serviceOf: (key: string) => Service | undefined;
}

/** Reports on each of our Gateways that a route names; `gateways` is keyed by `NAMESPACE/NAME`. */
export function reportParents(
  route: L4Route,
  gateways: ReadonlyMap<string, Gateway>,
  context: GatewayObjects & ServiceLookup & PendingLookup,
): readonly ParentReport[] {
  return route.parents.flatMap((parent): ParentReport[] => {
    const gateway = gateways.get(`${parent.namespace}/${parent.name}`);
    if (gateway === undefined) return [];
    const attachment = describeAttachment(route, parent, gateway, context);
    const conditions = [attachment.condition, describeReferences(route, context), ...describeDropped(route)];
    return [{ parentRef: parent.written, conditions, ...(attachment.isPending && { isPending: true }) }];
  });
}

function describeAttachment(
  route: L4Route,
  parent: ParentRef,
  gateway: Gateway,
  { labelsOfNamespace, pendingOf }: GatewayObjects & PendingLookup,
): { readonly condition: ConditionDraft; readonly isPending: boolean } {
  const decide = (condition: ConditionDraft, isPending = false) => ({ condition, isPending });
  const meant = gateway.listeners.filter((reading) => isMeant(parent, gateway, placeOf(reading)));
  const what = `${kindOfRoute(route.protocol)}s`;
  if (meant.length === 0) {
    return decide(no('Accepted', 'NoMatchingParent', 'the Gateway has no such listener; check sectionName and port'));
  }
  const l4 = meant.flatMap((reading) => (reading.kind === 'l4' ? [reading.listener] : []));
  const fitting = l4.filter((listener) => takesKind(listener, route.protocol));
  if (fitting.length === 0) {
    const message = `the listener does not accept ${what}; check its protocol and allowedRoutes.kinds`;
    return decide(no('Accepted', 'NotAllowedByListeners', message));
  }
  const taking = fitting.filter((listener) => isAllowed(route, gateway.meta.namespace, listener, labelsOfNamespace));
  if (taking.length === 0) {
    const message = 'the listener does not accept routes from this namespace; check allowedRoutes';
    return decide(no('Accepted', 'NotAllowedByListeners', message));
  }
  const pending = taking.flatMap(({ name }) => pendingOf(gateway, name) ?? []);
  const problem = pending.map((one) => one.problem).find((one) => one !== undefined);
  const isWhole = pending.every(({ what }) => what === 'endpoints');
  if (isWhole) return decide(yes('Accepted', 'Accepted', problem ?? ''));
  return decide(no('Accepted', 'Pending', problem ?? ''), problem === undefined);
}

function placeOf(reading: Gateway['listeners'][number]): { readonly name: string; readonly port?: number } {
  if (reading.kind === 'l4') return reading.listener;
  return { name: reading.name, ...(reading.port !== undefined && { port: reading.port }) };
}

function describeReferences(route: L4Route, { grants, serviceOf }: GatewayObjects & ServiceLookup): ConditionDraft {
  for (const backend of route.backends) {
    if (backend.refusal !== undefined) return no('ResolvedRefs', backend.refusal.reason, backend.refusal.message);
    const key = `${backend.namespace ?? route.meta.namespace}/${backend.service}`;
    // Without a grant, the status does not reveal whether the Service exists.
    if (!isGranted(route, backend, grants)) {
      return no('ResolvedRefs', 'RefNotPermitted', `Service ${key}: no ReferenceGrant of its namespace allows it`);
    }
    const service = serviceOf(key);
    if (service === undefined) return no('ResolvedRefs', 'BackendNotFound', `Service ${key} does not exist`);
    const { servicePort } = backend;
    const hasPort = service.ports.some(({ port, protocol }) => port === servicePort && protocol === route.protocol);
    if (!hasPort) {
      const message = `Service ${key} has no ${route.protocol.toUpperCase()} port ${servicePort}`;
      return no('ResolvedRefs', 'BackendNotFound', message);
    }
  }
  return yes('ResolvedRefs', 'ResolvedRefs', '');
}

/** Valid rules are served, and the others are reported. */
function describeDropped({ dropped }: L4Route): readonly ConditionDraft[] {
  if (dropped.length === 0) return [];
  return [yes('PartiallyInvalid', 'UnsupportedValue', dropped.slice(0, 3).join('; '))];
}
