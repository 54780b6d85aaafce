import { EndpointFinder, serviceKeyOf } from '../backends/endpoints.ts';
import type { HostGuard } from '../backends/host-guard.ts';
import { HostGroups } from '../claims/host-groups.ts';
import { decideHosts, type HostClaimPolicy, type RefusedHost } from '../claims/hosts.ts';
import type { AdmissionPolicy } from '../claims/policy.ts';
import { isSelected } from '../claims/selection.ts';
import type { Backend, Certificate, Passthrough, Site } from '../haproxy/model.ts';
import type { Changes, Inventory } from '../objects/inventory.ts';
import type { HttpDemand } from '../route/http-demand.ts';
import type { Route } from '../route/route.ts';
import { type HttpDefaults, makeBackend } from './backend.ts';
import type { KeyLimits, KeyPair } from './certificate.ts';
import { CertificateBook, type SecretLookup } from './certificate-book.ts';
import { CertificateList } from './certificate-list.ts';
import type { ServedRoute, UnfitRoute } from './served-route.ts';
import { makePassthrough, makeSites, nameOf } from './sites.ts';

/** Settings of the decisions about hosts and paths. */
export interface HttpDesiredSettings {
  readonly policy: AdmissionPolicy;
  readonly hosts: HostClaimPolicy;
  readonly defaults: HttpDefaults;
  /** Name of this node, as in EndpointSlices. */
  readonly node: string;
  /** Certificates that verify the servers of re-encrypt Routes without their own, in PEM. Absent: no verification. */
  readonly serviceAuthorities?: string;
  readonly hasHttp2: boolean;
  /** Whether Routes may name Secrets with their certificates. Otherwise such Routes use the default certificate. */
  readonly readsSecrets: boolean;
  /** Allowed keys in certificates of Routes. */
  readonly keys?: KeyLimits;
}

/** Result of deciding one group of Routes. */
interface Group {
  readonly served: readonly ServedRoute[];
  readonly unfit: readonly UnfitRoute[];
  readonly refused: readonly RefusedHost[];
}

/** Everything about hosts and paths that follows from the objects at one moment. */
export interface DesiredSites {
  readonly served: readonly ServedRoute[];
  readonly unfit: readonly UnfitRoute[];
  readonly refused: readonly RefusedHost[];
  readonly sites: ReadonlyMap<string, Site>;
  readonly passthrough: ReadonlyMap<string, Passthrough>;
  readonly backends: ReadonlyMap<string, Backend>;
  readonly certificates: ReadonlyMap<string, Certificate>;
  readonly authorities: ReadonlyMap<string, string>;
}

/** Name of the CA certificates that are used for Routes without a destination CA. */
const serviceAuthority = 'service-ca';

const noGroup: Group = { served: [], unfit: [], refused: [] };

/**
 * Computes what HAProxy should serve from all objects, but recomputes only the groups of Routes that a change
 * affects. Unchanged parts of the result reuse their objects, so that a comparison finds one change among 10,000
 * quickly.
 */
export class SitePlanner {
  readonly finder: EndpointFinder;
  readonly #inventory: Inventory;
  readonly #settings: HttpDesiredSettings;
  readonly #book: CertificateBook;
  readonly #hostGroups: HostGroups;
  readonly #certificates: CertificateList;
  readonly #groups = new Map<string, Group>();
  /** Selected Routes by `NAMESPACE/NAME`, in the form in which their group was decided. */
  readonly #routes = new Map<string, Route>();
  readonly #groupOf = new Map<Route, string>();
  /** Routes by the Services and Secrets (`NAMESPACE/NAME`) that they use. */
  readonly #users = new Map<string, Set<Route>>();
  readonly #backends = new Map<Route, Backend>();
  /** Served certificates of Routes by UID. */
  readonly #keyPairs = new Map<string, { readonly keyPair: KeyPair | undefined }>();
  #desired: DesiredSites | undefined;

  constructor(inventory: Inventory, settings: HttpDesiredSettings, secrets: SecretLookup, guard?: HostGuard) {
    this.#inventory = inventory;
    this.#settings = settings;
    this.finder = new EndpointFinder(inventory, settings.node, guard);
    this.#book = new CertificateBook(settings.readsSecrets ? secrets : undefined, settings.keys);
    this.#hostGroups = new HostGroups(settings.hosts);
    this.#certificates = new CertificateList(settings.hasHttp2);
  }

  /**
   * @param changes since the last call
   * @param secrets names (`NAMESPACE/NAME`) of Secrets that changed
   */
  compute(changes: Changes, secrets: ReadonlySet<string>): DesiredSites {
    const isFirst = this.#desired === undefined;
    // Labels of a namespace may select all of its Routes.
    const isRelabelled = changes.has('Namespace') && this.#settings.policy.namespaceLabels.length > 0;
    // Deleted Routes are included: a namespace changes during its deletion.
    for (const key of changes.of('Route')) this.#select(key);
    if (isFirst || isRelabelled) for (const key of this.#inventory.keys('Route')) this.#select(key);
    const dirty = new Map(this.#hostGroups.takeDirty());
    for (const name of this.#touch(changes.of('Service'), secrets)) {
      if (!dirty.has(name)) dirty.set(name, new Set(this.#listRoutes(name)));
    }
    if (this.#desired !== undefined && dirty.size === 0) return this.#desired;
    try {
      this.#desired = this.#assemble(dirty);
    } catch (error) {
      // A bug: the next call must not consider these groups decided.
      for (const name of dirty.keys()) this.#hostGroups.touch(name);
      throw error;
    }
    return this.#desired;
  }

  #select(key: string): void {
    const route = this.#inventory.get('Route', key);
    const known = this.#routes.get(key);
    if (known === route && known !== undefined && this.#wants(known)) return;
    if (known !== undefined) {
      this.#hostGroups.remove(known);
      this.#routes.delete(key);
      this.#backends.delete(known);
      for (const name of listUsed(known)) this.#users.get(name)?.delete(known);
    }
    const isWanted = route !== undefined && this.#wants(route);
    if (known !== undefined && !(isWanted && route.meta.uid === known.meta.uid)) this.#keyPairs.delete(known.meta.uid);
    if (!isWanted) return;
    this.#hostGroups.add(route);
    this.#routes.set(key, route);
    for (const name of listUsed(route)) {
      const users = this.#users.get(name);
      if (users === undefined) this.#users.set(name, new Set([route]));
      else users.add(route);
    }
  }

  /** Returns whether this router and this data plane serve a Route. A Route for a port only has no host. */
  #wants(route: Route): boolean {
    const { policy, hosts } = this.#settings;
    const { ports, host, subdomain } = route;
    const makesHosts = hosts.template !== undefined || hosts.domain !== undefined;
    const hasHost = ports === undefined || host !== undefined || (subdomain !== undefined && makesHosts);
    return hasHost && isSelected(route, policy, (namespace) => this.#inventory.labelsOf(namespace));
  }

  /** Returns the groups with Routes that use changed Services or Secrets. */
  #touch(services: ReadonlySet<string>, secrets: ReadonlySet<string>): ReadonlySet<string> {
    this.finder.forget(services);
    const groups = new Set<string>();
    for (const name of [...services, ...secrets]) {
      for (const route of this.#users.get(name) ?? []) {
        this.#backends.delete(route);
        const group = this.#groupOf.get(route);
        if (group !== undefined) groups.add(group);
      }
    }
    return groups;
  }

  #listRoutes(group: string): readonly Route[] {
    const { served, unfit, refused } = this.#groups.get(group) ?? noGroup;
    return [...served, ...unfit, ...refused].map(({ route }) => route);
  }

  #assemble(dirty: ReadonlyMap<string, ReadonlySet<Route>>): DesiredSites {
    const before = this.#desired;
    const sites = new Map(before?.sites);
    const passthrough = new Map(before?.passthrough);
    const backends = new Map(before?.backends);
    const authorities = new Map(before?.authorities);
    const { serviceAuthorities } = this.#settings;
    if (serviceAuthorities !== undefined) authorities.set(serviceAuthority, serviceAuthorities);
    for (const name of dirty.keys()) {
      for (const one of this.#groups.get(name)?.served ?? []) {
        backends.delete(one.backend.id);
        if (one.authority !== undefined) authorities.delete(one.authority[0]);
        sites.delete(nameOf(one));
        passthrough.delete(nameOf(one));
        this.#certificates.remove(one);
      }
      for (const route of this.#listRoutes(name)) this.#groupOf.delete(route);
    }
    for (const [name, routes] of dirty) {
      const group = this.#decide(routes);
      if (routes.size === 0) this.#groups.delete(name);
      else this.#groups.set(name, group);
      for (const route of routes) this.#groupOf.set(route, name);
      for (const one of group.served) {
        backends.set(one.backend.id, one.backend);
        if (one.authority !== undefined) authorities.set(...one.authority);
        this.#certificates.add(one);
      }
      for (const site of makeSites(group.served, before?.sites)) sites.set(site.host, site);
      for (const entry of makePassthrough(group.served, before?.passthrough)) passthrough.set(entry.host, entry);
    }
    const groups = [...this.#groups.values()];
    return {
      served: groups.flatMap(({ served }) => served),
      unfit: groups.flatMap(({ unfit }) => unfit),
      refused: groups.flatMap(({ refused }) => refused),
      sites,
      passthrough,
      backends,
      certificates: this.#certificates.list(before?.certificates),
      authorities,
    };
  }

  #decide(routes: ReadonlySet<Route>): Group {
    const { policy, hosts } = this.#settings;
    const { admitted, refused } = decideHosts(routes, policy, hosts);
    const served: ServedRoute[] = [];
    const unfit: UnfitRoute[] = [];
    for (const one of admitted) {
      const { uid } = one.route.meta;
      const checked = this.#book.check(one.route, one.demand, this.#keyPairs.get(uid));
      if (!checked.ok) {
        this.#keyPairs.delete(uid);
        unfit.push({ ...one, refusal: checked.refusal });
        continue;
      }
      const { keyPair, destinationCa } = checked;
      this.#keyPairs.set(uid, { keyPair });
      const name = this.#authorityOf(one.route, one.demand, destinationCa);
      const backend =
        this.#backends.get(one.route) ?? makeBackend(one.route, one.demand, this.finder, this.#settings.defaults, name);
      this.#backends.set(one.route, backend);
      served.push({
        ...one,
        backend,
        ...(keyPair !== undefined && { keyPair }),
        ...(destinationCa !== undefined && name !== undefined && { authority: [name, destinationCa] as const }),
      });
    }
    return { served, unfit, refused };
  }

  #authorityOf({ meta }: Route, { tls }: HttpDemand, own: string | undefined): string | undefined {
    if (tls?.termination !== 'reencrypt') return undefined;
    if (own !== undefined) return `${meta.namespace}:${meta.name}`;
    return this.#settings.serviceAuthorities === undefined ? undefined : serviceAuthority;
  }
}

/** Returns `NAMESPACE/NAME` of the Services and the Secret that a Route uses. */
function listUsed({ meta, http }: Route): readonly string[] {
  if (!http.ok) return [];
  const { backends, tls } = http.value;
  const secret = tls?.externalCertificate;
  return [
    ...backends.map((backend) => serviceKeyOf(backend, meta.namespace)),
    ...(secret === undefined ? [] : [`${meta.namespace}/${secret}`]),
  ];
}
