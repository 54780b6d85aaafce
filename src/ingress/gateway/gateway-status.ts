import { keyOf } from '../../base/read/object-meta.ts';
import type { Verdict } from '../intent/plane.ts';
import type { Holding } from '../pools/holding.ts';
import type { Attachment, ParentDecision } from './attachment.ts';
import { attachRoute } from './attachment.ts';
import type { BackendTlsPolicies } from './backend-tls.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { type ConditionDraft, no, parametersCure, yes } from './conditions.ts';
import {
  type DecidedGateway,
  type DecidedGateways,
  type DecidedHolder,
  type DecidedSet,
  decideGateways,
} from './decide-gateways.ts';
import type { Gateway } from './gateway.ts';
import type { GatewayClass } from './gateway-class.ts';
import { isOurs } from './gateway-classes.ts';
import { describeGateway, type SettledAddresses, settleAddresses } from './gateway-conditions.ts';
import type { GatewaySnapshot } from './gateways.ts';
import type { GatewayListener } from './listener.ts';
import { endsTls, isL7 } from './listener-decision.ts';
import { listenerId } from './listener-holder.ts';
import { describeSet } from './listener-set-conditions.ts';
import { isAsked, type ListenerReport, reportListener } from './listener-status.ts';
import { maxGatewayAddresses } from './node-addresses.ts';
import { type ParentReport, reportParents, type ServiceLookup } from './parent-status.ts';
import { type PolicyReport, reportPolicies } from './policy-status.ts';
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
  /** Number of accepted ListenerSets. */
  readonly attachedSets: number;
}

/** Result of a ListenerSet of one of our Gateways (Gateway API, ListenerSetStatus). */
export interface ListenerSetReport extends Report {
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
  readonly sets: ReadonlyMap<string, ListenerSetReport>;
  readonly policies: ReadonlyMap<string, PolicyReport>;
  readonly routes: Readonly<Partial<Record<GatewayRouteKind, ReadonlyMap<string, RouteReport>>>>;
}

/** The decisions of the HTTP data plane about Gateways and their routes. */
export interface SiteDecisions {
  readonly decided: DecidedGateways;
  readonly policies: BackendTlsPolicies;
  /** Returns the certificate that a Gateway presents to its backends. Undefined: it names none. */
  readonly certificateOf: (gateway: Gateway) => ClientCertificate | undefined;
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
    const decided = sites?.decided ?? decideGateways(context);
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
      add(route, attachRoute(route, decided, context.labelsOfNamespace), ({ holder, listener }) => {
        // A listener without a verdict is not served, which its own conditions report.
        const verdict = lookup.ofListener(listenerId(holder, listener.name));
        return verdict === undefined ? [] : [verdict];
      });
    }
    for (const [route, decisions] of sites?.routes ?? []) {
      add(route, decisions, (attachment) => {
        const listener = lookup.ofListener(listenerId(attachment.holder, attachment.listener.name));
        if (listener?.reason !== undefined) return [];
        return sites?.requestsOf(route, attachment).map((request) => lookup.ofRequest(request)) ?? [];
      });
    }
    // The other data plane may have seen a different state of an object; both will soon agree.
    const known = new Set<unknown>([...context.gateways, ...context.listenerSets]);
    const isDivided = (object: unknown) => sites !== undefined && !known.has(object);
    const common = { attached, lookup, isDivided, context };
    const sets = new Map<string, ListenerSetReport>();
    const attachedSets = new Map<Gateway, number>();
    for (const [key, set] of decided.sets) {
      const reported = reportSet(set, common);
      sets.set(key, reported);
      if (isAccepted(reported)) attachedSets.set(set.gateway, (attachedSets.get(set.gateway) ?? 0) + 1);
    }
    const gateways = Array.from(decided.gateways, ([key, one]): [string, GatewayReport] => [
      key,
      reportGateway(one, attachedSets.get(one.gateway) ?? 0, common),
    ]);
    const states = () =>
      Array.from(sites?.routes ?? [], ([route, decisions]) => ({
        route,
        // Passthrough leaves TLS to clients and endpoints.
        decisions: decisions.map((one) => ({
          ...one,
          attachments: one.attachments.filter(({ listener }) => route.kind !== 'TLSRoute' || endsTls(listener)),
        })),
        isPending: routes[route.kind]?.get(keyOf(route.meta))?.isPending === true,
      }));
    const policies = sites === undefined ? new Map() : reportPolicies(sites.policies, states, context);
    return { classes: reportClasses(context), gateways: new Map(gateways), sets, policies, routes };
  }

  #reportRoute(
    route: GatewayRoute,
    decisions: readonly ParentDecision[],
    of: VerdictsOf,
    { grants, serviceOf, sites }: GatewayContext,
  ): RouteReport {
    const verdicts = new Map(decisions.flatMap(({ attachments }) => attachments.map((one) => [one, of(one)] as const)));
    const services = route.backends.map(({ namespace = route.meta.namespace, service }) =>
      serviceOf(`${namespace}/${service}`),
    );
    const policies = sites?.policies;
    const inputs = [decisions, grants, policies, ...services, ...[...verdicts.values()].flat()];
    const known = this.#known.get(route);
    if (known !== undefined && isSameList(known.inputs, inputs)) return known.report;
    const verdictsOf = (attachment: Attachment) => verdicts.get(attachment) ?? [];
    const parents = reportParents(route, decisions, {
      grants,
      serviceOf,
      verdictsOf,
      ...(policies !== undefined && { policies }),
    });
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
    ? no('Accepted', 'InvalidParameters', `spec.parametersRef: ${parametersCure}`)
    : yes('Accepted', 'Accepted', '');
  return {
    uid: meta.uid,
    generation: meta.generation,
    conditions: [accepted, yes('SupportedVersion', 'SupportedVersion', '')],
    supportedFeatures: [...portFeatures, ...(servesSites ? siteFeatures : [])].sort(),
  };
}

/** Everything besides the decision that the report of a Gateway or ListenerSet depends on. */
interface HolderContext {
  readonly attached: ReadonlyMap<GatewayListener, number>;
  readonly lookup: Verdicts;
  /** Returns whether the data planes have seen different states of an object. */
  readonly isDivided: (object: unknown) => boolean;
  readonly context: GatewayContext;
}

function reportGateway(decided: DecidedGateway, attachedSets: number, common: HolderContext): GatewayReport {
  const { gateway } = decided;
  const settled = settleAddresses(decided.addresses, common.context.holdingOf);
  const { listeners, isWaited } = reportListeners(decided, settled, common);
  const certificate = describeCertificateState(gateway, common.context);
  const isUnread = certificate?.state === 'waiting';
  const isPending = common.isDivided(gateway) || settled.isWaiting || isWaited || isUnread;
  return {
    uid: gateway.meta.uid,
    generation: gateway.meta.generation,
    ...(isPending ? { isPending } : {}),
    addresses: settled.addresses.slice(0, maxGatewayAddresses),
    listeners,
    attachedSets,
    conditions: describeGateway(gateway, listeners, settled, certificate),
  };
}

function isAccepted({ conditions }: Report): boolean {
  return conditions.some(({ type, status }) => type === 'Accepted' && status === 'True');
}

/** Returns the state of the certificate for backends. Without hosts, no connection to a backend has TLS. */
function describeCertificateState(gateway: Gateway, { sites }: GatewayContext): ClientCertificate | undefined {
  if (sites !== undefined || gateway.clientCertificate === undefined) return sites?.certificateOf(gateway);
  const message = `${gateway.clientCertificate.path}: this agent serves only TCP and UDP; remove it`;
  return { state: 'invalid', reason: 'InvalidClientCertificateRef', message };
}

function reportSet(decided: DecidedSet, common: HolderContext): ListenerSetReport {
  const { set, refusal, meta } = decided;
  const settled = settleAddresses(decided.addresses, common.context.holdingOf);
  const { listeners, isWaited } = reportListeners(decided, settled, common);
  const isPending = common.isDivided(set) || (refusal === undefined && (settled.isWaiting || isWaited));
  return {
    uid: meta.uid,
    generation: meta.generation,
    ...(isPending ? { isPending } : {}),
    listeners,
    conditions: describeSet(decided, listeners, settled),
  };
}

/** Reports on the listeners, and whether a data plane has not decided about one of them. */
function reportListeners(
  { isServed, listeners, meta }: DecidedHolder,
  { refusal }: SettledAddresses,
  { attached, lookup }: HolderContext,
): { readonly listeners: readonly ListenerReport[]; readonly isWaited: boolean } {
  const withheld = isServed && refusal === undefined ? undefined : 'the Gateway is not served';
  let isWaited = false;
  const reports = listeners.map((decision) => {
    const { listener, name } = decision;
    const verdict = listener && lookup.ofListener(listenerId({ meta }, name));
    // Without a verdict, no data plane has decided about the listener.
    const isDue = withheld === undefined && isAsked(decision) && isServable(decision.kinds, listener);
    isWaited ||= decision.isWaiting === true;
    isWaited ||= isDue && (verdict === undefined || isWaiting(verdict));
    const attachedRoutes = listener === undefined ? 0 : (attached.get(listener) ?? 0);
    return reportListener(decision, { attachedRoutes, verdict, withheld });
  });
  return { listeners: reports, isWaited };
}

/** A listener for hosts that accepts no kind of route is not requested from the data plane. */
function isServable(kinds: readonly GatewayRouteKind[], listener: GatewayListener | undefined): boolean {
  return listener !== undefined && (!isL7(listener) || kinds.length > 0);
}

/** Returns whether a verdict is still pending without a failure. */
function isWaiting({ pending }: Verdict): boolean {
  return pending?.what === 'all' && pending.problem === undefined;
}
