import { keyOf } from '../../base/read/object-meta.ts';
import { notApplied, type Verdict } from '../intent/plane.ts';
import type { Holding } from '../pools/holding.ts';
import { type ConditionDraft, no, yes } from './conditions.ts';
import type { Gateway, GatewayListener, ListenerReading } from './gateway.ts';
import { addressesOf, type GatewayAddressVerdict } from './gateway-addresses.ts';
import type { GatewayClass } from './gateway-class.ts';
import {
  chooseClasses,
  type GatewaySnapshot,
  isAttached,
  isConflicted,
  isKindOf,
  isOurs,
  kindOfRoute,
  listenerId,
} from './gateways.ts';
import type { L4Route } from './l4-route.ts';
import { maxGatewayAddresses } from './node-addresses.ts';
import { type ParentReport, reportParents, type ServiceLookup } from './parent-status.ts';

/** Result of one listener (Gateway API, ListenerStatus). */
export interface ListenerReport {
  readonly name: string;
  /** Kinds of routes that can be attached. */
  readonly kinds: readonly string[];
  readonly attachedRoutes: number;
  readonly conditions: readonly ConditionDraft[];
}

/** The object that a report describes. */
interface Subject {
  /** Distinguishes it from other objects with the same name. */
  readonly uid: string;
  /** The observed generation. */
  readonly generation: number | undefined;
  /** A data plane has not finished with the object yet, so its written status is preserved. */
  readonly isPending?: true;
}

/** Result of an object of the Gateway API. */
interface Report extends Subject {
  readonly conditions: readonly ConditionDraft[];
}

/** Result of one GatewayClass of this controller (Gateway API, GatewayClassStatus). */
export interface GatewayClassReport extends Report {
  /** Names of the API's features, sorted. */
  readonly supportedFeatures: readonly string[];
}

/** Result of one Gateway of our classes (Gateway API, GatewayStatus). */
export interface GatewayReport extends Report {
  readonly addresses: readonly string[];
  /** In the order of the spec. */
  readonly listeners: readonly ListenerReport[];
}

/** Result of a route's attachments (Gateway API, RouteStatus). */
export interface RouteReport extends Subject {
  /** Empty for routes that do not refer to our Gateways. */
  readonly parents: readonly ParentReport[];
}

/** Reports for the authors of Gateways and their routes, by `NAMESPACE/NAME`. */
export interface GatewayReports {
  readonly classes: ReadonlyMap<string, GatewayClassReport>;
  readonly gateways: ReadonlyMap<string, GatewayReport>;
  readonly routes: Readonly<Record<'tcp' | 'udp', ReadonlyMap<string, RouteReport>>>;
}

/** Input of the reports. */
export interface GatewayContext extends GatewaySnapshot, ServiceLookup {
  /** Verdicts of all data planes. */
  readonly verdicts: readonly Verdict[];
  /** Returns whether an ingress node holds a virtual address. */
  readonly holdingOf: (address: string) => Holding;
}

/** Returns the verdict of a listener by {@link listenerId}. */
type VerdictOf = (id: string) => Verdict | undefined;

/** Supported features by their names in the API (`pkg/features`), sorted as the API requires. */
const supportedFeatures = ['Gateway', 'ReferenceGrant', 'TCPRoute', 'UDPRoute'] as const;

/** Reports on every class of ours, their Gateways, and every route that refers to one of these. */
export function reportGateways(context: GatewayContext): GatewayReports {
  const isServed = chooseClasses(context.classes, context.className);
  const gateways = context.gateways.filter(({ className }) => isServed(className));
  const routes = context.l4Routes;
  const verdicts = new Map(
    context.verdicts.flatMap((verdict) =>
      verdict.listener === undefined ? [] : [[verdict.meta.uid, verdict] as const],
    ),
  );
  const verdictOf: VerdictOf = (id) => verdicts.get(id);
  const byKey = new Map(gateways.map((gateway) => [keyOf(gateway.meta), gateway]));
  const parents = { tcp: new Map<string, RouteReport>(), udp: new Map<string, RouteReport>() };
  for (const route of routes) {
    const { meta, protocol } = route;
    const reports = reportParents(route, byKey, {
      ...context,
      pendingOf: (gateway, name) => verdictOf(listenerId(gateway.meta, name))?.pending,
    });
    parents[protocol].set(keyOf(meta), {
      uid: meta.uid,
      generation: meta.generation,
      ...(reports.some(({ isPending }) => isPending) && { isPending: true }),
      parents: reports,
    });
  }
  const routesOf = groupByGateway(routes);
  const classes = context.classes.filter(
    (one) => isOurs(one) && (context.className ?? one.meta.name) === one.meta.name,
  );
  return {
    classes: new Map(classes.map((one) => [keyOf(one.meta), reportClass(one)])),
    gateways: new Map(
      Array.from(byKey, ([key, gateway]) => [key, reportGateway(gateway, routesOf.get(key) ?? [], verdictOf, context)]),
    ),
    routes: parents,
  };
}

/** Groups routes by the Gateways that they name, so that each Gateway processes only its own. */
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
    ? no(
        'Accepted',
        'InvalidParameters',
        'spec.parametersRef: must be absent, because this controller has no parameters',
      )
    : yes('Accepted', 'Accepted', '');
  return {
    uid: meta.uid,
    generation: meta.generation,
    conditions: [accepted, yes('SupportedVersion', 'SupportedVersion', '')],
    supportedFeatures,
  };
}

function reportGateway(
  gateway: Gateway,
  routes: readonly L4Route[],
  verdictOf: VerdictOf,
  context: GatewayContext,
): GatewayReport {
  const { labelsOfNamespace } = context;
  const { addresses, refusal, isWaiting: isUnsettled, note } = settleAddresses(addressesOf(gateway, context), context);
  const withheld = gateway.hasParameters || refusal !== undefined ? 'the Gateway is not served' : undefined;
  let isPending = isUnsettled;
  const listeners = gateway.listeners.map((reading) => {
    if (reading.kind !== 'l4') return reportUnserved(reading);
    const { listener } = reading;
    const attachedRoutes = routes.filter((route) => isAttached(route, gateway, listener, labelsOfNamespace)).length;
    const { name } = listener;
    const kinds = listKinds(listener);
    const hasConflict = isConflicted(gateway, listener);
    const verdict = verdictOf(listenerId(gateway.meta, name));
    // Without a verdict, no data plane has decided about the listener.
    const isAsked = !hasConflict && withheld === undefined;
    isPending ||= isAsked && (verdict === undefined || isWaiting(verdict));
    const state: ListenerState = { isConflicted: hasConflict, verdict, withheld };
    return { name, kinds, attachedRoutes, conditions: describeListener(listener, kinds, state) };
  });
  return {
    uid: gateway.meta.uid,
    generation: gateway.meta.generation,
    ...(isPending ? { isPending } : {}),
    addresses: addresses.slice(0, maxGatewayAddresses),
    listeners,
    conditions: describeGateway(gateway, listeners, refusal, note),
  };
}

function describeGateway(
  { hasParameters, problems }: Gateway,
  listeners: readonly ListenerReport[],
  refusal: GatewayAddressVerdict['refusal'],
  note: string,
): readonly ConditionDraft[] {
  if (hasParameters) {
    const message = 'spec.infrastructure.parametersRef: must be absent, because this controller has no parameters';
    return [no('Accepted', 'InvalidParameters', message), no('Programmed', 'Invalid', message)];
  }
  if (refusal?.reason === 'UnsupportedAddress') {
    return [no('Accepted', refusal.reason, refusal.message), no('Programmed', 'Invalid', refusal.message)];
  }
  const accepted = listeners.filter((one) => isTrue(one, 'Accepted'));
  const sound = accepted.filter((one) => isTrue(one, 'ResolvedRefs'));
  const isWhole = sound.length === listeners.length && problems.length === 0;
  const told = ['some listeners are invalid; see their conditions', ...problems.slice(0, 3)].join('; ');
  const acceptance =
    accepted.length === 0
      ? no(
          'Accepted',
          'ListenersNotValid',
          ['no listener is accepted; see their conditions', ...problems.slice(0, 3)].join('; '),
        )
      : isWhole
        ? yes('Accepted', 'Accepted', '')
        : yes('Accepted', 'ListenersNotValid', told);
  if (refusal !== undefined) return [acceptance, no('Programmed', refusal.reason, refusal.message)];
  return [acceptance, describeProgress(listeners, note)];
}

/** The addresses of a Gateway that nodes hold. */
interface SettledAddresses extends Pick<GatewayAddressVerdict, 'addresses' | 'refusal'> {
  /** No node holds an address yet or for the moment, so the written status is preserved. */
  readonly isWaiting: boolean;
  /** Addresses that no node holds although others of the Gateway are held. */
  readonly note: string;
}

/** Returns the virtual addresses that a node holds: an address that answers nowhere is none for clients. */
function settleAddresses(verdict: GatewayAddressVerdict, { holdingOf }: GatewayContext): SettledAddresses {
  const { addresses, virtual, refusal } = verdict;
  if (virtual === undefined) return { addresses, ...(refusal && { refusal }), isWaiting: false, note: '' };
  const holdings = addresses.map((address) => ({ address, holding: holdingOf(address) }));
  const held = holdings.filter(({ holding }) => holding.state === 'held').map(({ address }) => address);
  const isWaiting = holdings.some(({ holding }) => holding.state === 'waiting');
  const free = holdings.flatMap(({ address, holding }) =>
    holding.state === 'free' ? [`no ingress node holds ${address}: ${holding.reason}`] : [],
  );
  const note = free.join('; ');
  if (held.length > 0 || isWaiting) return { addresses: held, isWaiting, note };
  return { addresses: [], isWaiting, note: '', refusal: { reason: 'AddressNotAssigned', message: note } };
}

function describeProgress(listeners: readonly ListenerReport[], note: string): ConditionDraft {
  if (listeners.some((one) => isTrue(one, 'Programmed'))) return yes('Programmed', 'Programmed', note);
  const failed = listeners
    .flatMap(({ conditions }) => conditions)
    .find(({ type, reason }) => type === 'Programmed' && reason === 'Pending');
  return failed ?? no('Programmed', 'Invalid', 'no listener is programmed');
}

/** Returns whether a verdict is still pending without a failure. */
function isWaiting({ pending }: Verdict): boolean {
  return pending?.what === 'all' && pending.problem === undefined;
}

function isTrue({ conditions }: ListenerReport, type: string): boolean {
  return conditions.some((one) => one.type === type && one.status === 'True');
}

/** Reports on a listener that is invalid or has an unsupported protocol. */
function reportUnserved(reading: Exclude<ListenerReading, { readonly kind: 'l4' }>): ListenerReport {
  const refused =
    reading.kind === 'other'
      ? no('Accepted', 'UnsupportedProtocol', `protocol ${reading.protocol} is not supported; it must be TCP or UDP`)
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

/** Returns the kinds of routes that a listener accepts: of those that it names, the one that fits its protocol. */
function listKinds({ protocol, kinds }: GatewayListener): readonly string[] {
  const isTaken = kinds === undefined || kinds.some((one) => isKindOf(one, protocol));
  return isTaken ? [kindOfRoute(protocol)] : [];
}

interface ListenerState {
  readonly isConflicted: boolean;
  /** Verdict of the data plane that serves the listener. */
  readonly verdict: Verdict | undefined;
  /** Why no listener of the Gateway is served. */
  readonly withheld: string | undefined;
}

function describeListener(
  { protocol, kinds }: GatewayListener,
  taken: readonly string[],
  { isConflicted: hasConflict, verdict, withheld }: ListenerState,
): readonly ConditionDraft[] {
  const foreign = (kinds ?? []).filter((one) => !isKindOf(one, protocol));
  const refs =
    foreign.length === 0
      ? yes('ResolvedRefs', 'ResolvedRefs', '')
      : no('ResolvedRefs', 'InvalidRouteKinds', `allowedRoutes.kinds: must be ${kindOfRoute(protocol)} only`);
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
  const refusal = verdict?.message ?? '';
  if (verdict?.reason === notApplied) {
    return [yes('Accepted', 'Accepted', ''), no('Programmed', 'Pending', refusal), refs, conflict];
  }
  if (verdict?.reason !== undefined) {
    return [
      no('Accepted', 'PortUnavailable', refusal),
      no('Programmed', 'Invalid', 'the listener is not accepted'),
      refs,
      conflict,
    ];
  }
  const idle = withheld ?? (taken.length === 0 ? 'the listener accepts no supported kind of routes' : undefined);
  const told = verdict?.pending?.problem ?? '';
  const programmed = idle === undefined ? yes('Programmed', 'Programmed', told) : no('Programmed', 'Invalid', idle);
  return [yes('Accepted', 'Accepted', ''), programmed, refs, conflict];
}
