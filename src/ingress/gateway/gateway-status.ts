import type { Gateway, GatewayListener } from '../../api/gateway.ts';
import type { L4Route, ParentRef } from '../../api/l4-route.ts';
import { keyOf } from '../../api/object-meta.ts';
import type { ReferenceGrant } from '../../api/reference-grant.ts';
import type { PortAdmissions } from '../claims/ports.ts';
import { type GatewayObjects, isAllowed, isGranted, isMeant } from './gateways.ts';

/** A condition without its time (Kubernetes, `metav1.Condition`). */
export interface ConditionDraft {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

/** What became of one listener (Gateway API, ListenerStatus). */
export interface ListenerReport {
  readonly name: string;
  /** Kinds of routes that can be attached. */
  readonly kinds: readonly string[];
  readonly attachedRoutes: number;
  readonly conditions: readonly ConditionDraft[];
}

/** What became of one Gateway of our class (Gateway API, GatewayStatus). */
export interface GatewayReport {
  readonly conditions: readonly ConditionDraft[];
  readonly listeners: readonly ListenerReport[];
}

/** What became of a route's wish to be attached (Gateway API, RouteParentStatus). */
export interface ParentReport {
  readonly parentRef: Readonly<Record<string, unknown>>;
  readonly conditions: readonly ConditionDraft[];
}

/** All that authors of Gateways and of their routes should know, by `NAMESPACE/NAME`. */
export interface GatewayReports {
  readonly gateways: ReadonlyMap<string, GatewayReport>;
  /** Empty for routes that want nothing of ours. */
  readonly routes: Readonly<Record<'tcp' | 'udp', ReadonlyMap<string, readonly ParentReport[]>>>;
}

/** What reports are made of. */
export interface GatewayContext extends GatewayObjects {
  readonly className: string;
  readonly admissions: PortAdmissions;
  readonly hasService: (key: string) => boolean;
}

/** Reports on every Gateway of the class, and on every route that wants to be attached to one. */
export function reportGateways(context: GatewayContext): GatewayReports {
  const gateways = [...context.gateways].filter(({ className }) => className === context.className);
  const routes = [...context.l4Routes];
  const refusals = new Map(context.admissions.refused.map(({ request, message }) => [request.meta.uid, message]));
  const parents = { tcp: new Map<string, ParentReport[]>(), udp: new Map<string, ParentReport[]>() };
  for (const route of routes) parents[route.protocol].set(keyOf(route.meta), reportParents(route, gateways, context));
  return {
    gateways: new Map(
      gateways.map((gateway) => [keyOf(gateway.meta), reportGateway(gateway, routes, refusals, context)]),
    ),
    routes: parents,
  };
}

function reportGateway(
  gateway: Gateway,
  routes: readonly L4Route[],
  refusals: ReadonlyMap<string, string>,
  { labelsOfNamespace }: GatewayContext,
): GatewayReport {
  const served = gateway.listeners.map((listener): ListenerReport => {
    const attachedRoutes = routes.filter(
      (route) =>
        route.protocol === listener.protocol &&
        route.parents.some((parent) => isMeant(parent, gateway, listener)) &&
        isAllowed(route, gateway.meta.namespace, listener, labelsOfNamespace),
    ).length;
    const refusal = refusals.get(`${gateway.meta.uid}/${listener.name}`);
    return { name: listener.name, kinds: [kindOf(listener)], attachedRoutes, conditions: describeListener(refusal) };
  });
  const others = gateway.otherListeners.map(
    (name): ListenerReport => ({
      name,
      kinds: [],
      attachedRoutes: 0,
      conditions: [
        no('Accepted', 'UnsupportedProtocol', 'protocol must be TCP or UDP: this router serves no other'),
        no('Programmed', 'Invalid', 'the listener is not accepted'),
        yes('ResolvedRefs', 'ResolvedRefs', ''),
        no('Conflicted', 'NoConflicts', ''),
      ],
    }),
  );
  const listeners = [...served, ...others];
  const isWhole = listeners.every(({ conditions }) =>
    conditions.every(({ type, status }) => type !== 'Accepted' || status === 'True'),
  );
  const accepted = isWhole
    ? yes('Accepted', 'Accepted', '')
    : yes('Accepted', 'ListenersNotValid', 'some listeners are not accepted; their conditions say why');
  const isServed = served.some(({ conditions }) =>
    conditions.some(({ type, status }) => type === 'Programmed' && status === 'True'),
  );
  const programmed = isServed
    ? yes('Programmed', 'Programmed', '')
    : no('Programmed', 'Invalid', 'no listener is in force');
  return { conditions: [accepted, programmed], listeners };
}

function kindOf({ protocol }: Pick<GatewayListener, 'protocol'>): string {
  return protocol === 'tcp' ? 'TCPRoute' : 'UDPRoute';
}

/** `refusal`: why the listener has not got its port. */
function describeListener(refusal: string | undefined): readonly ConditionDraft[] {
  const rest = [yes('ResolvedRefs', 'ResolvedRefs', ''), no('Conflicted', 'NoConflicts', '')];
  return refusal === undefined
    ? [yes('Accepted', 'Accepted', ''), yes('Programmed', 'Programmed', ''), ...rest]
    : [
        no('Accepted', 'PortUnavailable', refusal),
        no('Programmed', 'Invalid', 'the listener is not accepted'),
        ...rest,
      ];
}

function reportParents(route: L4Route, gateways: readonly Gateway[], context: GatewayContext): ParentReport[] {
  return route.parents.flatMap((parent): ParentReport[] => {
    const gateway = gateways.find(({ meta }) => meta.namespace === parent.namespace && meta.name === parent.name);
    if (gateway === undefined) return [];
    const conditions = [describeAttachment(route, parent, gateway, context), describeReferences(route, context)];
    return [{ parentRef: parent.written, conditions }];
  });
}

function describeAttachment(
  route: L4Route,
  parent: ParentRef,
  gateway: Gateway,
  { labelsOfNamespace }: GatewayContext,
): ConditionDraft {
  const meant = gateway.listeners.filter((listener) => isMeant(parent, gateway, listener));
  const fitting = meant.filter(({ protocol }) => protocol === route.protocol);
  if (fitting.length === 0) {
    const what = `${kindOf(route)}s`;
    return meant.length === 0
      ? no('Accepted', 'NoMatchingParent', 'the Gateway has no such listener: see sectionName and port')
      : no('Accepted', 'NotAllowedByListeners', `the listener does not take ${what}: its protocol is another`);
  }
  return fitting.some((listener) => isAllowed(route, gateway.meta.namespace, listener, labelsOfNamespace))
    ? yes('Accepted', 'Accepted', '')
    : no('Accepted', 'NotAllowedByListeners', 'the listener does not take routes of this namespace: see allowedRoutes');
}

function describeReferences(route: L4Route, { grants, hasService }: GatewayContext): ConditionDraft {
  const all: readonly ReferenceGrant[] = [...grants];
  for (const backend of route.backends) {
    const key = `${backend.namespace ?? route.meta.namespace}/${backend.service}`;
    // Whether a Service exists where one may not look is not said.
    if (!isGranted(route, backend, all)) {
      return no('ResolvedRefs', 'RefNotPermitted', `Service ${key}: no ReferenceGrant of its namespace allows it`);
    }
    if (!hasService(key)) return no('ResolvedRefs', 'BackendNotFound', `Service ${key} does not exist`);
  }
  return yes('ResolvedRefs', 'ResolvedRefs', '');
}

function yes(type: string, reason: string, message: string): ConditionDraft {
  return { type, status: 'True', reason, message };
}

function no(type: string, reason: string, message: string): ConditionDraft {
  return { type, status: 'False', reason, message };
}
