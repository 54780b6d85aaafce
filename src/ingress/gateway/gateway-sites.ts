import type { Labels } from '../../base/read/object-meta.ts';
import type { SiteListener } from '../intent/listener.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import type { ChangedObjects, SiteSource } from '../intent/site-source.ts';
import { type Attachment, attachRoute, type ParentDecision } from './attachment.ts';
import { type DecidedGateway, decideGateways } from './decide-gateways.ts';
import type { Gateway } from './gateway.ts';
import type { AddressSources } from './gateway-addresses.ts';
import type { GatewayClass } from './gateway-class.ts';
import type { SiteDecisions } from './gateway-status.ts';
import { listenerId, listShares } from './gateways.ts';
import type { GatewayListener, L7Listener } from './listener.ts';
import type { ListenerDecision } from './listener-decision.ts';
import { isServedListener } from './listener-status.ts';
import type { ReferenceGrant } from './reference-grant.ts';
import { findYielding, withoutYielded } from './rivals.ts';
import type { GatewayRoute } from './route.ts';
import { listSitePorts, type OwnPorts, type SitePorts } from './site-ports.ts';
import type { SiteRoute } from './site-route.ts';
import { type Place, translateListener, translateRoute } from './translate.ts';

/** Kinds of routes for hosts. */
export const siteRouteKinds = ['HTTPRoute', 'GRPCRoute', 'TLSRoute'] as const;

export type SiteRouteKind = (typeof siteRouteKinds)[number];

interface SiteKinds {
  readonly GatewayClass: GatewayClass;
  readonly Gateway: Gateway;
  readonly ReferenceGrant: ReferenceGrant;
  readonly HTTPRoute: SiteRoute;
  readonly GRPCRoute: SiteRoute;
  readonly TLSRoute: SiteRoute;
}

/** Sources of the objects. */
export interface GatewaySiteObjects {
  all<K extends 'GatewayClass' | 'Gateway' | 'ReferenceGrant'>(kind: K): Iterable<SiteKinds[K]>;
  keys(kind: SiteRouteKind): Iterable<string>;
  get(kind: SiteRouteKind, key: string): SiteRoute | undefined;
  labelsOf(namespace: string): Labels | undefined;
}

/** Settings of the sources. */
export interface GatewaySiteSettings {
  /** The only class that is served. Absent: all classes of this controller. */
  readonly className: string | undefined;
  /** Returns the addresses of nodes and pools: the same values until they change. */
  readonly addresses: () => AddressSources;
  readonly ownPorts: OwnPorts;
  /** Returns the results of claims of ports: the same value until they change. */
  readonly sitePorts: () => SitePorts;
}

/** A route with the decisions about it. */
interface Known {
  readonly route: SiteRoute;
  readonly key: string;
  /** Decisions without regard to other routes. */
  readonly alone: readonly ParentDecision[];
  decisions: readonly ParentDecision[];
  requests: readonly SiteRequest[];
  /** Everything besides the route that its requests depend on. */
  basis: string;
}

const none: readonly SiteRequest[] = [];

/** Gateways and their routes as sources of requests for hosts and paths. */
export class GatewaySites implements SiteDecisions {
  readonly #objects: GatewaySiteObjects;
  readonly #settings: GatewaySiteSettings;
  readonly #known = new Map<string, Known>();
  readonly #byRoute = new Map<GatewayRoute, Known>();
  readonly #listeners = new WeakMap<GatewayListener, { readonly addresses: string; readonly made: SiteListener }>();
  #gateways: ReadonlyMap<string, DecidedGateway> = new Map();
  /** Served listeners, with their Gateways. */
  #served = new Map<GatewayListener, Gateway>();
  /** Whether the last decisions may contain routes that yield to those of the other kind. */
  #haveRivals = false;
  #grants: readonly ReferenceGrant[] = [];
  #addresses: AddressSources | undefined;
  #sitePorts: SitePorts | undefined;
  #taken: ChangedObjects | undefined;
  /** `KIND/NAMESPACE/NAME` of routes whose requests may have changed in the last update. */
  #dirty = new Set<string>();

  constructor(objects: GatewaySiteObjects, settings: GatewaySiteSettings) {
    this.#objects = objects;
    this.#settings = settings;
  }

  /** The sources, one for each kind of route. They share all decisions. */
  get sources(): readonly SiteSource[] {
    return siteRouteKinds.map((kind, index): SiteSource => {
      const source = {
        kind,
        listChanged: (changes: ChangedObjects | undefined) => this.#listChanged(kind, changes),
        translate: (key: string) => this.#known.get(`${kind}/${key}`)?.requests ?? none,
      };
      if (index > 0) return { ...source, listSecrets: () => [] };
      // Listeners belong to no kind of route, so only one source lists them.
      return { ...source, listSecrets: () => this.#listSecrets(), listListeners: () => this.#listListeners() };
    });
  }

  get gateways(): ReadonlyMap<string, DecidedGateway> {
    return this.#gateways;
  }

  get routes(): ReadonlyMap<GatewayRoute, readonly ParentDecision[]> {
    return new Map(Array.from(this.#known.values(), ({ route, decisions }) => [route, decisions]));
  }

  readonly requestsOf = (route: GatewayRoute, { gateway, listener }: Attachment): readonly SiteRequest[] => {
    const id = listenerId(gateway.meta, listener.name);
    return this.#byRoute.get(route)?.requests.filter((request) => request.listener === id) ?? none;
  };

  #listChanged(kind: SiteRouteKind, changes: ChangedObjects | undefined): Iterable<string> {
    this.#update(changes);
    const prefix = `${kind}/`;
    return [...this.#dirty].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  }

  /** After a change, the source that is asked first decides for all. */
  #update(changes: ChangedObjects | undefined): void {
    if (changes !== undefined && changes === this.#taken) return;
    this.#taken = changes;
    this.#dirty = new Set();
    const addresses = this.#settings.addresses();
    const isWide =
      changes === undefined ||
      addresses.addresses !== this.#addresses?.addresses ||
      addresses.assignments !== this.#addresses.assignments ||
      this.#settings.sitePorts() !== this.#sitePorts ||
      changes.has('GatewayClass', 'Gateway', 'ReferenceGrant', 'Namespace');
    if (isWide) this.#decideGateways(addresses);
    const keys = isWide ? this.#listAll() : this.#listTouched(changes);
    for (const key of keys) this.#decideRoute(key);
    if (keys.size > 0) this.#settle(keys);
  }

  #decideGateways(addresses: AddressSources): void {
    this.#addresses = addresses;
    this.#grants = [...this.#objects.all('ReferenceGrant')];
    this.#sitePorts = this.#settings.sitePorts();
    const decided = decideGateways({
      classes: [...this.#objects.all('GatewayClass')],
      gateways: [...this.#objects.all('Gateway')],
      grants: this.#grants,
      ...addresses,
      className: this.#settings.className,
      servesSites: true,
    });
    this.#gateways = new Map(Array.from(decided, ([key, one]) => [key, this.#refusePorts(one)]));
    this.#served = new Map();
    for (const one of this.#gateways.values()) {
      for (const decision of one.isServed ? one.listeners : []) {
        // A port is not served before its claim is decided: it may belong to a program of the node.
        if (isServedListener(decision) && this.#hasPorts(one, decision.listener)) {
          this.#served.set(decision.listener, one.gateway);
        }
      }
    }
  }

  #hasPorts(decided: DecidedGateway, listener: L7Listener): boolean {
    return listSitePorts(decided, listener, this.#settings.ownPorts).every(({ key }) => this.#sitePorts?.has(key));
  }

  /** Rejects listeners whose ports are not allowed or belong to another object. */
  #refusePorts(decided: DecidedGateway): DecidedGateway {
    const listeners = decided.listeners.map((decision): ListenerDecision => {
      if (!isServedListener(decision)) return decision;
      const keys = listSitePorts(decided, decision.listener, this.#settings.ownPorts);
      const [message] = keys.flatMap(({ key }) => this.#sitePorts?.get(key) ?? []);
      return message === undefined ? decision : { ...decision, refusal: { reason: 'PortUnavailable', message } };
    });
    return { ...decided, listeners };
  }

  /** All routes, including known ones that no longer exist. */
  #listAll(): Set<string> {
    const existing = siteRouteKinds.flatMap((kind) => Array.from(this.#objects.keys(kind), (key) => `${kind}/${key}`));
    return new Set([...this.#known.keys(), ...existing]);
  }

  #listTouched(changes: ChangedObjects): Set<string> {
    return new Set(siteRouteKinds.flatMap((kind) => Array.from(changes.of(kind), (key) => `${kind}/${key}`)));
  }

  #decideRoute(key: string): void {
    const slash = key.indexOf('/');
    const route = this.#objects.get(key.slice(0, slash) as SiteRouteKind, key.slice(slash + 1));
    const before = this.#known.get(key);
    if (before !== undefined) this.#byRoute.delete(before.route);
    if (route === undefined) {
      if (this.#known.delete(key)) this.#dirty.add(key);
      return;
    }
    const alone = attachRoute(route, this.#gateways, (namespace) => this.#objects.labelsOf(namespace));
    const isSame = before?.route === route;
    const known: Known = {
      route,
      key,
      alone,
      decisions: alone,
      requests: isSame ? before.requests : none,
      basis: isSame ? before.basis : '',
    };
    this.#known.set(key, known);
    this.#byRoute.set(route, known);
    if (!isSame) this.#dirty.add(key);
  }

  /** Resolves conflicts between routes, and builds the requests of those that changed. */
  #settle(changed: ReadonlySet<string>): void {
    if (!this.#haveRivals && !this.#existRivals()) {
      for (const key of changed) {
        const known = this.#known.get(key);
        if (known !== undefined) this.#translate(known);
      }
      return;
    }
    this.#haveRivals = this.#existRivals();
    const candidates = Array.from(this.#known.values(), (known) => ({ route: known.route, decisions: known.alone }));
    const yielding = findYielding(candidates);
    for (const known of this.#known.values()) {
      const yielded = yielding.get(known.route);
      const isAlone = known.decisions === known.alone;
      if (yielded === undefined && isAlone && !changed.has(known.key)) continue;
      known.decisions =
        yielded === undefined ? known.alone : withoutYielded({ route: known.route, decisions: known.alone }, yielded);
      this.#translate(known);
    }
  }

  /** Returns whether there are HTTPRoutes and GRPCRoutes, which cannot share a hostname. */
  #existRivals(): boolean {
    return (['HTTPRoute', 'GRPCRoute'] as const).every((kind) => {
      for (const _ of this.#objects.keys(kind)) return true;
      return false;
    });
  }

  #translate(known: Known): void {
    const { route, decisions } = known;
    const places = new Map<string, Place>();
    for (const { attachments } of decisions) {
      for (const { gateway, listener, hostnames } of attachments) {
        if (!this.#served.has(listener)) continue;
        const id = listenerId(gateway.meta, listener.name);
        for (const hostname of hostnames) places.set(`${id} ${hostname ?? '*'}`, { listener: id, hostname });
      }
    }
    const forbidden = route.rules.map(({ backends }) =>
      listShares(route, backends, this.#grants)
        .map(({ isForbidden }) => (isForbidden === true ? 1 : 0))
        .join(''),
    );
    const basis = `${[...places.keys()].join()} ${forbidden.join()}`;
    if (basis === known.basis) return;
    known.basis = basis;
    // A route with an invalid name has no rules.
    const isEmpty = places.size === 0 || route.rules.length === 0;
    known.requests = isEmpty
      ? none
      : translateRoute(route, [...places.values()], ({ backends }) => listShares(route, backends, this.#grants));
    this.#dirty.add(known.key);
  }

  *#listListeners(): Iterable<SiteListener> {
    for (const [listener, gateway] of this.#served) {
      const verdict = this.#gateways.get(keyOfGateway(gateway))?.addresses;
      const isOwn = verdict?.virtual !== undefined || gateway.addresses.some(({ value }) => value !== undefined);
      const addresses = isOwn ? (verdict?.addresses ?? []) : [];
      const key = addresses.join();
      const known = this.#listeners.get(listener);
      if (known?.addresses === key) {
        yield known.made;
        continue;
      }
      const made = translateListener(gateway, listener as L7Listener, addresses);
      this.#listeners.set(listener, { addresses: key, made });
      yield made;
    }
  }

  *#listSecrets(): Iterable<string> {
    // At startup, Secrets must be read before the first decision is applied.
    if (this.#addresses === undefined) this.#decideGateways(this.#settings.addresses());
    for (const listener of this.#served.keys()) {
      const { tls } = listener as L7Listener;
      for (const { namespace, name } of tls?.certificates ?? [])
        if (namespace !== undefined) yield `${namespace}/${name}`;
    }
  }
}

function keyOfGateway({ meta }: Gateway): string {
  return `${meta.namespace}/${meta.name}`;
}
