import type { Labels } from '../../base/read/object-meta.ts';
import type { SiteListener } from '../intent/listener.ts';
import type { ReferenceChecks } from '../intent/references.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import type { ChangedObjects, SiteSource } from '../intent/site-source.ts';
import type { Service } from '../objects/service.ts';
import { type Attachment, attachRoute, type ParentDecision } from './attachment.ts';
import type { BackendTlsPolicies } from './backend-tls.ts';
import type { BackendTlsPolicy } from './backend-tls-policy.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { listClientReferences } from './client-validation.ts';
import { type DecidedGateways, type DecidedHolder, decideGateways, listHolders } from './decide-gateways.ts';
import type { Gateway } from './gateway.ts';
import { type AddressSources, listOwnPlaces } from './gateway-addresses.ts';
import type { GatewayClass } from './gateway-class.ts';
import type { SiteDecisions } from './gateway-status.ts';
import { listShares } from './gateways.ts';
import type { GatewayListener, L7Listener } from './listener.ts';
import { endsTls, type ListenerDecision } from './listener-decision.ts';
import { listenerId } from './listener-holder.ts';
import type { ListenerSet } from './listener-set.ts';
import { isServedListener } from './listener-status.ts';
import type { ReferenceGrant } from './reference-grant.ts';
import { findYielding, withoutYielded } from './rivals.ts';
import type { GatewayRoute, RouteBackend } from './route.ts';
import { describeShare, ServerTls } from './server-tls.ts';
import { listSitePorts, type OwnPorts, type SitePorts } from './site-ports.ts';
import type { SiteRoute } from './site-route.ts';
import { type Place, translateListener, translateRoute, type Variant } from './translate.ts';

/** Kinds of routes for hosts. */
export const siteRouteKinds = ['HTTPRoute', 'GRPCRoute', 'TLSRoute'] as const;

export type SiteRouteKind = (typeof siteRouteKinds)[number];

interface SiteKinds {
  readonly GatewayClass: GatewayClass;
  readonly Gateway: Gateway;
  readonly ListenerSet: ListenerSet;
  readonly ReferenceGrant: ReferenceGrant;
  readonly BackendTLSPolicy: BackendTlsPolicy;
  readonly HTTPRoute: SiteRoute;
  readonly GRPCRoute: SiteRoute;
  readonly TLSRoute: SiteRoute;
}

/** Sources of the objects. */
export interface GatewaySiteObjects {
  all<K extends 'GatewayClass' | 'Gateway' | 'ListenerSet' | 'ReferenceGrant' | 'BackendTLSPolicy'>(
    kind: K,
  ): Iterable<SiteKinds[K]>;
  keys(kind: SiteRouteKind): Iterable<string>;
  get(kind: SiteRouteKind, key: string): SiteRoute | undefined;
  get(kind: 'Service', key: string): Service | undefined;
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
  /** Checks certificates in ConfigMaps and Secrets. */
  readonly references: ReferenceChecks;
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
  #decided: DecidedGateways = { gateways: new Map(), sets: new Map() };
  /** Served listeners, with the objects that contain them. */
  #served = new Map<GatewayListener, { readonly holder: DecidedHolder; readonly decision: ListenerDecision }>();
  /** Keys of the ConfigMaps that verify clients. */
  #clientReferences: ReadonlySet<string> = new Set();
  /** Whether the last decisions may contain routes that yield to those of the other kind. */
  #haveRivals = false;
  #grants: readonly ReferenceGrant[] = [];
  readonly #serverTls: ServerTls;
  #addresses: AddressSources | undefined;
  #sitePorts: SitePorts | undefined;
  #taken: ChangedObjects | undefined;
  /** Kinds whose source was asked about the last changes. */
  #asked = new Set<SiteRouteKind>();
  /** `KIND/NAMESPACE/NAME` of routes whose requests may have changed in the last update. */
  #dirty = new Set<string>();

  constructor(objects: GatewaySiteObjects, settings: GatewaySiteSettings) {
    this.#objects = objects;
    this.#settings = settings;
    this.#serverTls = new ServerTls(objects, settings.references);
  }

  /** The sources, one for each kind of route. They share all decisions. */
  get sources(): readonly SiteSource[] {
    return siteRouteKinds.map((kind, index): SiteSource => {
      const source = {
        kind,
        listChanged: (changes: ChangedObjects | undefined, references: ReadonlySet<string> = new Set()) =>
          this.#listChanged(kind, changes, references),
        translate: (key: string) => this.#known.get(`${kind}/${key}`)?.requests ?? none,
      };
      if (index > 0) return { ...source, listSecrets: () => [] };
      // Listeners belong to no kind of route, so only one source lists them.
      return { ...source, listSecrets: () => this.#listSecrets(), listListeners: () => this.#listListeners() };
    });
  }

  get decided(): DecidedGateways {
    return this.#decided;
  }

  get routes(): ReadonlyMap<GatewayRoute, readonly ParentDecision[]> {
    return new Map(Array.from(this.#known.values(), ({ route, decisions }) => [route, decisions]));
  }

  get policies(): BackendTlsPolicies {
    return this.#serverTls.policies;
  }

  readonly certificateOf = (gateway: Gateway): ClientCertificate | undefined => this.#serverTls.certificateOf(gateway);

  readonly requestsOf = (route: GatewayRoute, { holder, listener }: Attachment): readonly SiteRequest[] => {
    const id = listenerId(holder, listener.name);
    return this.#byRoute.get(route)?.requests.filter((request) => request.listener === id) ?? none;
  };

  #listChanged(
    kind: SiteRouteKind,
    changes: ChangedObjects | undefined,
    references: ReadonlySet<string>,
  ): Iterable<string> {
    // The source that is asked first decides for all. At the start there are no changes to compare, only a second question.
    const isDecided =
      this.#asked.size > 0 && changes === this.#taken && (changes !== undefined || !this.#asked.has(kind));
    if (!isDecided) {
      this.#asked.clear();
      this.#update(changes, references);
    }
    this.#asked.add(kind);
    const prefix = `${kind}/`;
    return [...this.#dirty].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  }

  /** Decides about all routes that a change may affect. */
  #update(changes: ChangedObjects | undefined, references: ReadonlySet<string>): void {
    this.#taken = changes;
    this.#dirty = new Set();
    const addresses = this.#settings.addresses();
    const isWide =
      changes === undefined ||
      addresses.addresses !== this.#addresses?.addresses ||
      addresses.assignments !== this.#addresses.assignments ||
      this.#settings.sitePorts() !== this.#sitePorts ||
      changes.has('GatewayClass', 'Gateway', 'ListenerSet', 'ReferenceGrant', 'Namespace') ||
      this.#serverTls.isAffected(changes, references) ||
      [...references].some((key) => this.#clientReferences.has(key));
    if (isWide) this.#decideGateways(addresses);
    const keys = isWide ? this.#listAll() : this.#listTouched(changes);
    for (const key of keys) this.#decideRoute(key);
    if (keys.size > 0) this.#settle(keys);
  }

  #decideGateways(addresses: AddressSources): void {
    this.#addresses = addresses;
    this.#grants = [...this.#objects.all('ReferenceGrant')];
    this.#sitePorts = this.#settings.sitePorts();
    const { gateways, sets } = decideGateways({
      classes: [...this.#objects.all('GatewayClass')],
      gateways: [...this.#objects.all('Gateway')],
      listenerSets: [...this.#objects.all('ListenerSet')],
      grants: this.#grants,
      references: this.#settings.references,
      labelsOfNamespace: (namespace) => this.#objects.labelsOf(namespace),
      ...addresses,
      className: this.#settings.className,
      servesSites: true,
    });
    this.#decided = {
      gateways: new Map(Array.from(gateways, ([key, one]) => [key, this.#refusePorts(one)])),
      sets: new Map(Array.from(sets, ([key, one]) => [key, this.#refusePorts(one)])),
    };
    const own = Array.from(this.#decided.gateways.values(), ({ gateway }) => gateway);
    this.#serverTls.decide(own, this.#grants);
    this.#clientReferences = listClientReferences(own, this.#grants);
    this.#served = new Map();
    for (const one of listHolders(this.#decided)) {
      for (const decision of one.isServed ? one.listeners : []) {
        // A port is not served before its claim is decided: it may belong to a program of the node.
        if (isServedListener(decision) && this.#hasPorts(one, decision.listener)) {
          this.#served.set(decision.listener, { holder: one, decision });
        }
      }
    }
  }

  #hasPorts(decided: DecidedHolder, listener: L7Listener): boolean {
    return listSitePorts(decided, listener, this.#settings.ownPorts).every(({ key }) => this.#sitePorts?.has(key));
  }

  /** Rejects listeners whose ports are not allowed or belong to another object. */
  #refusePorts<Holder extends DecidedHolder>(decided: Holder): Holder {
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
    const alone = attachRoute(route, this.#decided, (namespace) => this.#objects.labelsOf(namespace));
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
    const variants = new Map<string, Variant & { readonly places: Map<string, Place> }>();
    for (const { attachments } of decisions) {
      for (const { holder, listener, hostnames } of attachments) {
        if (!this.#served.has(listener)) continue;
        const variant = this.#findVariant(variants, route, holder.gateway, listener);
        const id = listenerId(holder, listener.name);
        for (const hostname of hostnames) variant.places.set(`${id} ${hostname ?? '*'}`, { listener: id, hostname });
      }
    }
    const basis = Array.from(variants.values(), ({ name, permit, places }) =>
      [name, ...places.keys(), ...permit(route.backends).map(describeShare)].join(' '),
    ).join('; ');
    if (basis === known.basis) return;
    known.basis = basis;
    // A route with an invalid name has no rules.
    known.requests =
      variants.size === 0 || route.rules.length === 0
        ? none
        : [...variants.values()].flatMap(({ name, permit, places }) =>
            translateRoute(route, { name, permit, places: [...places.values()] }),
          );
    this.#dirty.add(known.key);
  }

  /**
   * Returns the form of a route for a listener. Gateways with their own certificate for backends need another one, and so
   * do listeners that terminate the TLS of a TLSRoute.
   */
  #findVariant(
    variants: Map<string, Variant & { readonly places: Map<string, Place> }>,
    route: SiteRoute,
    gateway: Gateway,
    listener: GatewayListener,
  ): Variant & { readonly places: Map<string, Place> } {
    // The TLS of passthrough is that of the client.
    const hasTls = route.kind !== 'TLSRoute' || endsTls(listener);
    const make = (name: string) => ({
      name,
      permit: (backends: readonly RouteBackend[]) => {
        const shares = listShares(route, backends, this.#grants);
        return hasTls ? shares.map((one) => this.#serverTls.dress(one, route.meta.namespace, gateway)) : shares;
      },
      places: new Map<string, Place>(),
    });
    const isOwn = hasTls && this.#serverTls.certificateOf(gateway) !== undefined;
    const name = [
      ...(isOwn ? [`Gateway.${gateway.meta.namespace}.${gateway.meta.name}`] : []),
      ...(route.kind === 'TLSRoute' && hasTls ? ['terminated'] : []),
    ].join('.');
    const known = variants.get(name) ?? make(name);
    variants.set(name, known);
    return known;
  }

  *#listListeners(): Iterable<SiteListener> {
    for (const [listener, { holder, decision }] of this.#served) {
      const places = listOwnPlaces(holder.addresses);
      const { clients } = decision;
      const written = (places ?? []).map(({ address, ofNode }) => `${address.text} ${ofNode}`);
      const key = [...written, ...(clients === undefined ? [] : Object.values(clients))].join();
      const known = this.#listeners.get(listener);
      if (known?.addresses === key) {
        yield known.made;
        continue;
      }
      const made = translateListener(holder, listener as L7Listener, places, clients);
      this.#listeners.set(listener, { addresses: key, made });
      yield made;
    }
  }

  *#listSecrets(): Iterable<string> {
    // At startup, Secrets must be read before the first decision is applied.
    if (this.#addresses === undefined) this.#decideGateways(this.#settings.addresses());
    yield* this.#serverTls.references;
    yield* this.#clientReferences;
    // Also those of listeners that wait for a ConfigMap or the claim of their port: once these are known, the listener is
    // served, and its certificate must have been read by then.
    for (const { isServed, listeners } of listHolders(this.#decided)) {
      for (const { listener, refusal, lacksCertificate } of isServed ? listeners : []) {
        if (listener === undefined || refusal !== undefined || lacksCertificate || !endsTls(listener)) continue;
        for (const { namespace, name } of listener.tls?.certificates ?? [])
          if (namespace !== undefined) yield `${namespace}/${name}`;
      }
    }
  }
}
