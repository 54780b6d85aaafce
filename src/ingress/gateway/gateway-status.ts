import { keyOf } from '../../base/read/object-meta.ts';
import type { Verdict } from '../intent/plane.ts';
import type { Holding } from '../pools/holding.ts';
import type { Attachment, ParentDecision } from './attachment.ts';
import { attachRoute } from './attachment.ts';
import { type ConditionDraft, no, yes } from './conditions.ts';
import { type DecidedGateway, decideGateways } from './decide-gateways.ts';
import type { GatewayClass } from './gateway-class.ts';
import { isOurs } from './gateway-classes.ts';
import { describeGateway, settleAddresses } from './gateway-conditions.ts';
import { type GatewaySnapshot, listenerId } from './gateways.ts';
import type { GatewayListener } from './listener.ts';
import { isL7 } from './listener-decision.ts';
import { isAsked, type ListenerReport, reportListener } from './listener-status.ts';
import { maxGatewayAddresses } from './node-addresses.ts';
import { type ParentReport, reportParents, type ServiceLookup } from './parent-status.ts';
import type { GatewayRoute, GatewayRouteKind } from './route.ts';
import { portFeatures, siteFeatures } from './supported-features.ts';

/** The object that a report describes. */
interface Subject {
  /** Distinguishes it from earlier and later objects with the same name. */
  readonly uid: string;
  /** The observed generation. */
  readonly generation: number | undefined;
  /** A data plane has not processed the object completely yet, so its stored status is preserved. */
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
  readonly routes: Readonly<Partial<Record<GatewayRouteKind, ReadonlyMap<string, RouteReport>>>>;
}

/** The decisions of the HTTP data plane about Gateways and their routes. */
export interface SiteDecisions {
  readonly gateways: ReadonlyMap<string, DecidedGateway>;
  /** Routes for hosts with the result of each of their parents. */
  readonly routes: ReadonlyMap<GatewayRoute, readonly ParentDecision[]>;
  /** Returns identities of the requests of a route on a listener. Empty if the listener is not served. */
  readonly requestsOf: (route: GatewayRoute, attachment: Attachment) => readonly object[];
}

/** Input of the reports. */
export interface GatewayContext extends GatewaySnapshot, ServiceLookup {
  /** Verdicts of all data planes. */
  readonly verdicts: readonly Verdict[];
  /** Absent: no hosts are served. */
  readonly sites?: SiteDecisions;
  /** Returns whether an ingress node holds a virtual address. */
  readonly holdingOf: (address: string) => Holding;
}

/** Reports on our classes, their Gateways, and every route that refers to one of these. */
export class GatewayReporter {
  /** Usually few of 10,000 routes change; the other reports are reused. */
  readonly #known = new WeakMap<GatewayRoute, { readonly inputs: readonly unknown[]; readonly report: RouteReport }>();

  report(context: GatewayContext): GatewayReports {
    const { sites } = context;
    const gateways = sites?.gateways ?? decideGateways(context);
    const lookup = new Verdicts(context.verdicts);
    const attached = new Map<GatewayListener, number>();
    const routes: Partial<Record<GatewayRouteKind, Map<string, RouteReport>>> = {};
    const add = (route: GatewayRoute, decisions: readonly ParentDecision[], verdictsOf: VerdictsOf): void => {
      for (const listener of listTaking(decisions)) attached.set(listener, (attached.get(listener) ?? 0) + 1);
      let reports = routes[route.kind];
      if (reports === undefined) {
        reports = new Map();
        routes[route.kind] = reports;
      }
      reports.set(keyOf(route.meta), this.#reportRoute(route, decisions, verdictsOf, context));
    };
    for (const route of context.l4Routes) {
      add(route, attachRoute(route, gateways, context.labelsOfNamespace), ({ gateway, listener }) => {
        // A listener without a verdict is not served, which its own conditions report.
        const verdict = lookup.ofListener(listenerId(gateway.meta, listener.name));
        return verdict === undefined ? [] : [verdict];
      });
    }
    for (const [route, decisions] of sites?.routes ?? []) {
      add(route, decisions, (attachment) => {
        const listener = lookup.ofListener(listenerId(attachment.gateway.meta, attachment.listener.name));
        if (listener?.reason !== undefined) return [];
        return sites?.requestsOf(route, attachment).map((request) => lookup.ofRequest(request)) ?? [];
      });
    }
    const known = new Set(context.gateways);
    return {
      classes: reportClasses(context),
      gateways: new Map(
        Array.from(gateways, ([key, decided]) => {
          // The other data plane has seen a different state of the Gateway; both will soon agree.
          const isDivided = sites !== undefined && !known.has(decided.gateway);
          return [key, reportGateway(decided, attached, lookup, isDivided, context)];
        }),
      ),
      routes,
    };
  }

  #reportRoute(
    route: GatewayRoute,
    decisions: readonly ParentDecision[],
    of: VerdictsOf,
    { grants, serviceOf }: GatewayContext,
  ): RouteReport {
    const verdicts = new Map(decisions.flatMap(({ attachments }) => attachments.map((one) => [one, of(one)] as const)));
    const services = route.backends.map(({ namespace = route.meta.namespace, service }) =>
      serviceOf(`${namespace}/${service}`),
    );
    const inputs = [decisions, grants, ...services, ...[...verdicts.values()].flat()];
    const known = this.#known.get(route);
    if (known !== undefined && isSameList(known.inputs, inputs)) return known.report;
    const verdictsOf = (attachment: Attachment) => verdicts.get(attachment) ?? [];
    const parents = reportParents(route, decisions, { grants, serviceOf, verdictsOf });
    const report: RouteReport = {
      uid: route.meta.uid,
      generation: route.meta.generation,
      ...(parents.some(({ isPending }) => isPending) && { isPending: true }),
      parents,
    };
    this.#known.set(route, { inputs, report });
    return report;
  }
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}

type VerdictsOf = (attachment: Attachment) => readonly (Verdict | undefined)[];

/** The verdicts of all data planes. */
class Verdicts {
  readonly #listeners = new Map<string, Verdict>();
  readonly #requests = new Map<object, Verdict>();

  constructor(verdicts: readonly Verdict[]) {
    for (const verdict of verdicts) {
      if (verdict.listener !== undefined) this.#listeners.set(verdict.meta.uid, verdict);
      if (verdict.request !== undefined) this.#requests.set(verdict.request, verdict);
    }
  }

  /** By {@link listenerId}. */
  ofListener(id: string): Verdict | undefined {
    return this.#listeners.get(id);
  }

  ofRequest(request: object): Verdict | undefined {
    return this.#requests.get(request);
  }
}

/** Returns the listeners whose `attachedRoutes` count a route: each where it is accepted, once. */
function listTaking(decisions: readonly ParentDecision[]): ReadonlySet<GatewayListener> {
  return new Set(
    decisions.flatMap(({ attachments, refusal }) =>
      refusal === undefined ? attachments.map(({ listener }) => listener) : [],
    ),
  );
}

function reportClasses({ classes, className, servesSites }: GatewayContext): ReadonlyMap<string, GatewayClassReport> {
  const served = classes.filter((one) => isOurs(one) && (className ?? one.meta.name) === one.meta.name);
  return new Map(served.map((one) => [keyOf(one.meta), reportClass(one, servesSites)]));
}

function reportClass({ meta, hasParameters }: GatewayClass, servesSites: boolean): GatewayClassReport {
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
    supportedFeatures: [...portFeatures, ...(servesSites ? siteFeatures : [])].sort(),
  };
}

function reportGateway(
  decided: DecidedGateway,
  attached: ReadonlyMap<GatewayListener, number>,
  lookup: Verdicts,
  isDivided: boolean,
  { holdingOf }: GatewayContext,
): GatewayReport {
  const { gateway, isServed } = decided;
  const settled = settleAddresses(decided.addresses, holdingOf);
  const withheld = isServed && settled.refusal === undefined ? undefined : 'the Gateway is not served';
  let isPending = isDivided || settled.isWaiting;
  const listeners = decided.listeners.map((decision) => {
    const { listener, name } = decision;
    const verdict = listener && lookup.ofListener(listenerId(gateway.meta, name));
    // Without a verdict, no data plane has decided about the listener.
    const isWaited = withheld === undefined && isAsked(decision) && isServable(decision.kinds, listener);
    isPending ||= isWaited && (verdict === undefined || isWaiting(verdict));
    const attachedRoutes = listener === undefined ? 0 : (attached.get(listener) ?? 0);
    return reportListener(decision, { attachedRoutes, verdict, withheld });
  });
  return {
    uid: gateway.meta.uid,
    generation: gateway.meta.generation,
    ...(isPending ? { isPending } : {}),
    addresses: settled.addresses.slice(0, maxGatewayAddresses),
    listeners,
    conditions: describeGateway(gateway, listeners, settled),
  };
}

/** A listener for hosts that accepts no kind of route is not requested from the data plane. */
function isServable(kinds: readonly GatewayRouteKind[], listener: GatewayListener | undefined): boolean {
  return listener !== undefined && (!isL7(listener) || kinds.length > 0);
}

/** Returns whether a verdict is still pending without a failure. */
function isWaiting({ pending }: Verdict): boolean {
  return pending?.what === 'all' && pending.problem === undefined;
}
