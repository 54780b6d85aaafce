import { keyOf } from '../../base/read/object-meta.ts';
import type { PortAdmissions } from '../claims/ports.ts';
import { judgeAddresses } from './addresses.ts';
import { type ConditionDraft, no, yes } from './conditions.ts';
import type { Gateway, GatewayListener, ListenerReading } from './gateway.ts';
import type { GatewayClass } from './gateway-class.ts';
import {
  chooseClasses,
  type GatewayObjects,
  isAttached,
  isConflicted,
  isKindOf,
  isOurs,
  kindOfRoute,
} from './gateways.ts';
import type { L4Route } from './l4-route.ts';
import { type ParentReport, reportParents, type ServiceLookup } from './parent-status.ts';

/** What became of one listener (Gateway API, ListenerStatus). */
export interface ListenerReport {
  readonly name: string;
  /** Kinds of routes that can be attached. */
  readonly kinds: readonly string[];
  readonly attachedRoutes: number;
  readonly conditions: readonly ConditionDraft[];
}

/** What became of an object of the Gateway API, as of the generation that was looked at. */
interface Report {
  readonly generation: number | undefined;
  readonly conditions: readonly ConditionDraft[];
}

/** What became of one GatewayClass of ours (Gateway API, GatewayClassStatus). */
export interface GatewayClassReport extends Report {
  /** Names of the API's features, sorted. */
  readonly supportedFeatures: readonly string[];
}

/** What became of one Gateway of our classes (Gateway API, GatewayStatus). */
export interface GatewayReport extends Report {
  readonly addresses: readonly string[];
  /** In the order of the spec. */
  readonly listeners: readonly ListenerReport[];
}

/** What became of a route's wishes to be attached (Gateway API, RouteStatus). */
export interface RouteReport {
  readonly generation: number | undefined;
  /** Empty for routes that want nothing of ours. */
  readonly parents: readonly ParentReport[];
}

/** All that authors of Gateways and of their routes should know, by `NAMESPACE/NAME`. */
export interface GatewayReports {
  readonly classes: ReadonlyMap<string, GatewayClassReport>;
  readonly gateways: ReadonlyMap<string, GatewayReport>;
  readonly routes: Readonly<Record<'tcp' | 'udp', ReadonlyMap<string, RouteReport>>>;
}

/** What reports are made of. */
export interface GatewayContext extends GatewayObjects, ServiceLookup {
  /** The only class that is served; absent: all of ours. */
  readonly className: string | undefined;
  readonly admissions: PortAdmissions;
}

/** Features that this data plane has, by their names in the API (`pkg/features`), sorted as the API asks. */
const supportedFeatures = ['Gateway', 'ReferenceGrant', 'TCPRoute', 'UDPRoute'] as const;

/** Reports on every class of ours, every Gateway of those, and every route that wants to be attached to one. */
export function reportGateways(context: GatewayContext): GatewayReports {
  const isServed = chooseClasses(context.classes, context.className);
  const gateways = context.gateways.filter(({ className }) => isServed(className));
  const routes = context.l4Routes;
  const refusals = new Map(context.admissions.refused.map(({ request, message }) => [request.meta.uid, message]));
  const byKey = new Map(gateways.map((gateway) => [keyOf(gateway.meta), gateway]));
  const parents = { tcp: new Map<string, RouteReport>(), udp: new Map<string, RouteReport>() };
  for (const route of routes) {
    const { meta, protocol } = route;
    parents[protocol].set(keyOf(meta), {
      generation: meta.generation,
      parents: reportParents(route, byKey, context),
    });
  }
  const routesOf = groupByGateway(routes);
  const classes = context.classes.filter(
    (one) => isOurs(one) && (context.className ?? one.meta.name) === one.meta.name,
  );
  return {
    classes: new Map(classes.map((one) => [keyOf(one.meta), reportClass(one)])),
    gateways: new Map(
      Array.from(byKey, ([key, gateway]) => [key, reportGateway(gateway, routesOf.get(key) ?? [], refusals, context)]),
    ),
    routes: parents,
  };
}

/** Routes by the Gateways that they name: of thousands, each Gateway looks at its own alone. */
function groupByGateway(routes: readonly L4Route[]): ReadonlyMap<string, readonly L4Route[]> {
  const groups = new Map<string, L4Route[]>();
  for (const route of routes) {
    for (const key of new Set(route.parents.map(({ namespace, name }) => `${namespace}/${name}`))) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [route]);
      else group.push(route);
    }
  }
  return groups;
}

function reportClass({ meta, hasParameters }: GatewayClass): GatewayClassReport {
  const accepted = hasParameters
    ? no('Accepted', 'InvalidParameters', 'spec.parametersRef: must be absent: this controller has no parameters')
    : yes('Accepted', 'Accepted', '');
  return {
    generation: meta.generation,
    conditions: [accepted, yes('SupportedVersion', 'SupportedVersion', '')],
    supportedFeatures,
  };
}

function reportGateway(
  gateway: Gateway,
  routes: readonly L4Route[],
  refusals: ReadonlyMap<string, string>,
  { labelsOfNamespace, addresses: available }: GatewayContext,
): GatewayReport {
  const { addresses, refusal } = judgeAddresses(gateway.addresses, available);
  const withheld = gateway.hasParameters || refusal !== undefined ? 'the Gateway is not served' : undefined;
  const listeners = gateway.listeners.map((reading) => {
    if (reading.kind !== 'l4') return reportUnserved(reading);
    const { listener } = reading;
    const attachedRoutes = routes.filter((route) => isAttached(route, gateway, listener, labelsOfNamespace)).length;
    const { name } = listener;
    const kinds = listKinds(listener);
    const state: ListenerState = {
      isConflicted: isConflicted(gateway, listener),
      refusal: refusals.get(`${gateway.meta.uid}/${name}`),
      withheld,
    };
    return { name, kinds, attachedRoutes, conditions: describeListener(listener, kinds, state) };
  });
  return {
    generation: gateway.meta.generation,
    addresses,
    listeners,
    conditions: describeGateway(gateway, listeners, refusal),
  };
}

function describeGateway(
  { hasParameters, problems }: Gateway,
  listeners: readonly ListenerReport[],
  refusal: ReturnType<typeof judgeAddresses>['refusal'],
): readonly ConditionDraft[] {
  if (hasParameters) {
    const message = 'spec.infrastructure.parametersRef: must be absent: this controller has no parameters';
    return [no('Accepted', 'InvalidParameters', message), no('Programmed', 'Invalid', message)];
  }
  if (refusal?.reason === 'UnsupportedAddress') {
    return [no('Accepted', refusal.reason, refusal.message), no('Programmed', 'Invalid', refusal.message)];
  }
  const accepted = listeners.filter((one) => isTrue(one, 'Accepted'));
  const sound = accepted.filter((one) => isTrue(one, 'ResolvedRefs'));
  const isWhole = sound.length === listeners.length && problems.length === 0;
  const told = ['some listeners are not valid; their conditions say why', ...problems.slice(0, 3)].join('; ');
  const acceptance =
    accepted.length === 0
      ? no(
          'Accepted',
          'ListenersNotValid',
          ['no listener is accepted; their conditions say why', ...problems.slice(0, 3)].join('; '),
        )
      : isWhole
        ? yes('Accepted', 'Accepted', '')
        : yes('Accepted', 'ListenersNotValid', told);
  if (refusal !== undefined) return [acceptance, no('Programmed', refusal.reason, refusal.message)];
  const isServed = listeners.some((one) => isTrue(one, 'Programmed'));
  return [
    acceptance,
    isServed ? yes('Programmed', 'Programmed', '') : no('Programmed', 'Invalid', 'no listener is in force'),
  ];
}

function isTrue({ conditions }: ListenerReport, type: string): boolean {
  return conditions.some((one) => one.type === type && one.status === 'True');
}

/** A listener of a protocol that is not served, or one that cannot be read. */
function reportUnserved(reading: Exclude<ListenerReading, { readonly kind: 'l4' }>): ListenerReport {
  const refused =
    reading.kind === 'other'
      ? no('Accepted', 'UnsupportedProtocol', `protocol ${reading.protocol} is not served: must be TCP or UDP`)
      : no('Accepted', 'Invalid', reading.problem);
  return {
    name: reading.name,
    kinds: [],
    attachedRoutes: 0,
    conditions: [
      refused,
      no('Programmed', 'Invalid', 'the listener is not accepted'),
      yes('ResolvedRefs', 'ResolvedRefs', ''),
      no('Conflicted', 'NoConflicts', ''),
    ],
  };
}

/** The kinds of routes that a listener takes: of those that it names, the one that fits its protocol. */
function listKinds({ protocol, kinds }: GatewayListener): readonly string[] {
  const isTaken = kinds === undefined || kinds.some((one) => isKindOf(one, protocol));
  return isTaken ? [kindOfRoute(protocol)] : [];
}

interface ListenerState {
  readonly isConflicted: boolean;
  /** Why the listener has not got its port. */
  readonly refusal: string | undefined;
  /** Why no listener of the Gateway is served. */
  readonly withheld: string | undefined;
}

function describeListener(
  { protocol, kinds }: GatewayListener,
  taken: readonly string[],
  { isConflicted: hasConflict, refusal, withheld }: ListenerState,
): readonly ConditionDraft[] {
  const foreign = (kinds ?? []).filter((one) => !isKindOf(one, protocol));
  const refs =
    foreign.length === 0
      ? yes('ResolvedRefs', 'ResolvedRefs', '')
      : no('ResolvedRefs', 'InvalidRouteKinds', `allowedRoutes.kinds: must be ${kindOfRoute(protocol)} alone`);
  if (hasConflict) {
    const message = 'another listener of the Gateway has the same port and protocol';
    return [
      no('Accepted', 'ProtocolConflict', message),
      no('Programmed', 'Invalid', 'the listener is not accepted'),
      refs,
      { type: 'Conflicted', status: 'True', reason: 'ProtocolConflict', message },
    ];
  }
  const conflict = no('Conflicted', 'NoConflicts', '');
  if (refusal !== undefined) {
    return [
      no('Accepted', 'PortUnavailable', refusal),
      no('Programmed', 'Invalid', 'the listener is not accepted'),
      refs,
      conflict,
    ];
  }
  const idle = withheld ?? (taken.length === 0 ? 'the listener takes no kind of routes that is served' : undefined);
  const programmed = idle === undefined ? yes('Programmed', 'Programmed', '') : no('Programmed', 'Invalid', idle);
  return [yes('Accepted', 'Accepted', ''), programmed, refs, conflict];
}
