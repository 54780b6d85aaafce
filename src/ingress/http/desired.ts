import { changedKeys, MapDraft } from '../../base/model/layered-map.ts';
import { EndpointFinder } from '../backends/endpoints.ts';
import type { HostGuard } from '../backends/host-guard.ts';
import { HostGroups } from '../claims/host-groups.ts';
import { type AdmittedHost, decideHosts, type HostClaimPolicy, type RefusedHost } from '../claims/hosts.ts';
import type { AdmissionPolicy } from '../claims/policy.ts';
import type { Backend, Certificate, Passthrough, Site, SiteGuard } from '../haproxy/model.ts';
import { defaultListener } from '../intent/listener.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import type { ChangedObjects, SiteSource } from '../intent/site-source.ts';
import type { Inventory } from '../objects/inventory.ts';
import { type HttpDefaults, makeBackend } from './backend.ts';
import type { KeyLimits, KeyPair } from './certificate.ts';
import { CertificateBook, type CertificateRefusal, type SecretLookup } from './certificate-book.ts';
import { CertificateList } from './certificate-list.ts';
import { mapGroups } from './equal-groups.ts';
import { SharedClaims } from './gateway-claims.ts';
import { type GatewayPlan, noGatewayPlan } from './gateway-plan.ts';
import { GatewayPlanner } from './gateway-planner.ts';
import type { GatewayPlanSettings } from './gateway-slots.ts';
import { PathGuards } from './path-guards.ts';
import type { ServedSite, UnfitSite } from './served-site.ts';
import { listUsed } from './site-uses.ts';
import { everyHost, makeCeded, makePassthrough, makeSites, nameOf } from './sites.ts';
import { VerifiedHosts, type VerifiedPlan } from './verified-hosts.ts';

/** Settings of the decisions about hosts and paths. */
export interface HttpDesiredSettings {
  readonly policy: AdmissionPolicy;
  readonly hosts: HostClaimPolicy;
  readonly defaults: HttpDefaults;
  /** Name of this node, as in EndpointSlices. */
  readonly node: string;
  /** Certificates that verify servers with TLS without their own, in PEM. Absent: no verification. */
  readonly serviceAuthorities?: string;
  readonly hasHttp2: boolean;
  /** Whether objects may name Secrets with their certificates. Otherwise they use the default certificate. */
  readonly readsSecrets: boolean;
  /** Allowed keys in certificates. */
  readonly keys?: KeyLimits;
  /** Absent: only the default listener is served. */
  readonly gateways?: GatewayPlanSettings;
}

/** Result of deciding one group of requests. */
interface Group {
  readonly served: readonly ServedSite[];
  readonly unfit: readonly UnfitSite[];
  readonly refused: readonly RefusedHost[];
  /** Requests at other listeners, which take part in the claims. */
  readonly others: readonly SiteRequest[];
  /** By name of the site. */
  readonly guards: ReadonlyMap<string, SiteGuard>;
}

/** Everything about hosts and paths that follows from the objects at one moment. */
export interface DesiredSites {
  readonly served: readonly ServedSite[];
  readonly unfit: readonly UnfitSite[];
  readonly refused: readonly RefusedHost[];
  readonly sites: ReadonlyMap<string, Site>;
  readonly passthrough: ReadonlyMap<string, Passthrough>;
  readonly backends: ReadonlyMap<string, Backend>;
  readonly certificates: ReadonlyMap<string, Certificate>;
  readonly authorities: ReadonlyMap<string, string>;
  /** Listeners that are not the default one. Its backends and certificates are among the others. */
  readonly gateway: GatewayPlan;
  /** Hosts of the default listener whose clients are verified. */
  readonly verified: VerifiedPlan;
}

/** The parts of {@link DesiredSites} that HAProxy needs. The others are listed on demand. */
type ServedParts = Omit<DesiredSites, keyof Outcomes>;

/** The decided requests of all groups. */
type Outcomes = Pick<DesiredSites, 'served' | 'unfit' | 'refused'>;

class DecidedSites implements DesiredSites {
  readonly sites: DesiredSites['sites'];
  readonly passthrough: DesiredSites['passthrough'];
  readonly backends: DesiredSites['backends'];
  readonly certificates: DesiredSites['certificates'];
  readonly authorities: DesiredSites['authorities'];
  readonly gateway: GatewayPlan;
  readonly verified: VerifiedPlan;
  readonly #groups: ReadonlyMap<string, Group>;
  #lists: Outcomes | undefined;

  constructor(groups: ReadonlyMap<string, Group>, parts: ServedParts) {
    this.#groups = groups;
    this.sites = parts.sites;
    this.passthrough = parts.passthrough;
    this.backends = parts.backends;
    this.certificates = parts.certificates;
    this.authorities = parts.authorities;
    this.gateway = parts.gateway;
    this.verified = parts.verified;
  }

  get served(): DesiredSites['served'] {
    return this.#list().served;
  }

  get unfit(): DesiredSites['unfit'] {
    return this.#list().unfit;
  }

  get refused(): DesiredSites['refused'] {
    return this.#list().refused;
  }

  #list(): Outcomes {
    if (this.#lists !== undefined) return this.#lists;
    const served: ServedSite[] = [];
    const unfit: UnfitSite[] = [];
    const refused: RefusedHost[] = [];
    for (const group of this.#groups.values()) {
      for (const one of group.served) served.push(one);
      for (const one of group.unfit) unfit.push(one);
      for (const one of group.refused) refused.push(one);
    }
    this.#lists = { served, unfit, refused };
    return this.#lists;
  }
}

/** Name of the CA certificates for servers of requests without their own. */
const serviceAuthority = 'service-ca';

const noGroup: Group = { served: [], unfit: [], refused: [], others: [], guards: new Map() };

/**
 * Computes what HAProxy should serve from the requests of all sources, but recomputes only the groups of requests that
 * a change affects. Unchanged parts of the result reuse their objects, so that a comparison finds one change among 10,000
 * quickly.
 */
export class SitePlanner {
  readonly finder: EndpointFinder;
  readonly #settings: HttpDesiredSettings;
  readonly #book: CertificateBook;
  readonly #hostGroups: HostGroups;
  readonly #certificates: CertificateList;
  readonly #sources: readonly SiteSource[];
  #groups: ReadonlyMap<string, Group> = new Map();
  /** Requests by `KIND/NAMESPACE/NAME` of their object, in the form in which their group was decided. */
  readonly #requests = new Map<string, readonly SiteRequest[]>();
  readonly #groupOf = new Map<SiteRequest, string>();
  /** Requests by the Services and Secrets (`NAMESPACE/NAME`) that they use. */
  readonly #users = new Map<string, Set<SiteRequest>>();
  readonly #backends = new Map<SiteRequest, readonly Backend[]>();
  /** Served certificates by label of the request. */
  readonly #gateways: GatewayPlanner;
  readonly #claims: SharedClaims;
  readonly #guards = new PathGuards();
  readonly #verified: VerifiedHosts;
  readonly #keyPairs = new Map<string, { readonly uid: string; readonly keyPair: KeyPair | undefined }>();
  /** Names of served wildcards. */
  readonly #wildcards = new Set<string>();
  /** Hosts of requests at listeners, for which there are sites without paths. */
  #ceded: ReadonlySet<string> = new Set();
  #desired: DesiredSites | undefined;

  constructor(
    inventory: Inventory,
    sources: readonly SiteSource[],
    settings: HttpDesiredSettings,
    secrets: SecretLookup,
    guard?: HostGuard,
  ) {
    this.#sources = sources;
    this.#settings = settings;
    this.finder = new EndpointFinder(inventory, settings.node, guard);
    this.#book = new CertificateBook(settings.readsSecrets ? secrets : undefined, settings.keys);
    this.#hostGroups = new HostGroups();
    this.#certificates = new CertificateList(settings.hasHttp2);
    const { policy, defaults, gateways, hasHttp2 } = settings;
    const parts = { policy, defaults, finder: this.finder, book: this.#book, settings: gateways, hasHttp2 };
    this.#gateways = new GatewayPlanner(parts);
    this.#verified = new VerifiedHosts(gateways);
    this.#claims = new SharedClaims(gateways?.own, this.#hostGroups);
  }

  /**
   * @param changes since the last call
   * @param secrets keys of Secrets (`NAMESPACE/NAME`) and ConfigMaps (`ConfigMap NAMESPACE/NAME`) that changed
   */
  compute(changes: ChangedObjects, secrets: ReadonlySet<string>): DesiredSites {
    const changed = this.#sources.map(
      (source) =>
        [source, [...source.listChanged(this.#desired === undefined ? undefined : changes, secrets)]] as const,
    );
    const listeners = this.#sources.flatMap((source) => [...(source.listListeners?.() ?? [])]);
    this.#gateways.setListeners(listeners);
    this.#claims.setListeners(listeners);
    for (const [source, keys] of changed) for (const key of keys) this.#select(source, key);
    this.#gateways.noteSecrets(secrets);
    const dirty = new Map(this.#hostGroups.takeDirty());
    for (const name of this.#touch(changes.of('Service'), secrets)) {
      if (!dirty.has(name)) dirty.set(name, new Set(this.#listRequests(name)));
    }
    if (this.#desired !== undefined && dirty.size === 0 && !this.#gateways.isDirty) return this.#desired;
    try {
      this.#desired = this.#assemble(dirty);
    } catch (error) {
      // A bug: the next call must not consider these groups decided.
      for (const name of dirty.keys()) this.#hostGroups.touch(name);
      throw error;
    }
    return this.#desired;
  }

  #select(source: SiteSource, key: string): void {
    const name = `${source.kind}/${key}`;
    const known = this.#requests.get(name) ?? [];
    const requests = source.translate(key);
    if (known === requests || (known.length === 0 && requests.length === 0)) return;
    for (const request of known) {
      if (request.listener === defaultListener) this.#hostGroups.remove(request);
      else {
        this.#claims.remove(request);
        this.#gateways.remove(request);
      }
      this.#backends.delete(request);
      for (const used of listUsed(request)) this.#users.get(used)?.delete(request);
    }
    for (const { owner } of known) {
      const isKept = requests.some((one) => one.owner.label === owner.label && one.owner.meta.uid === owner.meta.uid);
      if (!isKept) this.#keyPairs.delete(owner.label);
    }
    if (requests.length === 0) this.#requests.delete(name);
    else this.#requests.set(name, requests);
    for (const request of requests) {
      if (request.listener === defaultListener) this.#hostGroups.add(request);
      else {
        this.#claims.add(request);
        this.#gateways.add(request);
      }
      for (const used of listUsed(request)) {
        const users = this.#users.get(used);
        if (users === undefined) this.#users.set(used, new Set([request]));
        else users.add(request);
      }
    }
  }

  /** Returns the groups with requests that use changed Services or Secrets. */
  #touch(services: ReadonlySet<string>, secrets: ReadonlySet<string>): ReadonlySet<string> {
    this.finder.forget(services);
    const groups = new Set<string>();
    for (const name of [...services, ...secrets]) {
      for (const request of this.#users.get(name) ?? []) {
        this.#backends.delete(request);
        if (request.listener !== defaultListener) {
          this.#gateways.forget(request);
          continue;
        }
        const group = this.#groupOf.get(request);
        if (group !== undefined) groups.add(group);
      }
    }
    return groups;
  }

  #listRequests(group: string): readonly SiteRequest[] {
    const { served, unfit, refused, others } = this.#groups.get(group) ?? noGroup;
    return [...[...served, ...unfit, ...refused].map(({ request }) => request), ...others];
  }

  #assemble(dirty: ReadonlyMap<string, ReadonlySet<SiteRequest>>): DesiredSites {
    const before = this.#desired;
    const sites = new MapDraft(before?.sites ?? new Map<string, Site>());
    const passthrough = new MapDraft(before?.passthrough ?? new Map<string, Passthrough>());
    const backends = new MapDraft(before?.backends ?? new Map<string, Backend>());
    const authorities = new MapDraft(before?.authorities ?? new Map<string, string>());
    const groups = new MapDraft(this.#groups);
    const { serviceAuthorities } = this.#settings;
    if (serviceAuthorities !== undefined) authorities.set(serviceAuthority, serviceAuthorities);
    for (const name of dirty.keys()) {
      for (const one of this.#groups.get(name)?.served ?? []) {
        for (const { id } of one.backends) backends.delete(id);
        for (const authority of one.authorities.keys()) authorities.delete(authority);
        sites.delete(nameOf(one));
        passthrough.delete(nameOf(one));
        this.#wildcards.delete(nameOf(one));
        this.#certificates.remove(one);
        this.#verified.remove(one);
      }
      for (const request of this.#listRequests(name)) this.#groupOf.delete(request);
    }
    for (const [name, requests] of dirty) {
      const group = this.#decide(requests);
      if (requests.size === 0) groups.delete(name);
      else groups.set(name, group);
      for (const request of requests) this.#groupOf.set(request, name);
      for (const one of group.served) {
        for (const backend of one.backends) backends.set(backend.id, backend);
        for (const [authority, pem] of one.authorities) authorities.set(authority, pem);
        this.#certificates.add(one);
        this.#verified.add(one);
        if (nameOf(one).startsWith('*.')) this.#wildcards.add(nameOf(one));
      }
      for (const site of makeSites(group.served, before?.sites, group.guards)) sites.set(site.host, site);
      for (const entry of makePassthrough(group.served, before?.passthrough)) passthrough.set(entry.host, entry);
    }
    const verified = this.#verified.plan();
    for (const [host, clients] of verified.hosts) {
      const site = sites.get(host);
      if (site !== undefined && site.clients !== clients) sites.set(host, { ...site, clients });
    }
    for (const host of this.#ceded) if (sites.get(host)?.ceded !== undefined) sites.delete(host);
    const gateway = this.#gateways.compute((request) => this.#claims.findRival(request), sites.has(everyHost));
    // Without wildcards, no request at a listener needs an entry among the sites.
    const atListeners = this.#wildcards.size === 0 ? [] : gateway.served;
    const ceded = makeCeded(atListeners, (one) => this.#claims.portOf(one), this.#wildcards, before?.sites);
    this.#ceded = new Set(ceded.map(({ host }) => host));
    for (const site of ceded) sites.set(site.host, site);
    const known = before?.gateway.backends ?? noGatewayPlan.backends;
    for (const id of changedKeys(known, gateway.backends)) {
      const backend = gateway.backends.get(id);
      if (backend === undefined) backends.delete(id);
      else backends.set(id, backend);
    }
    const named = before?.gateway.authorities ?? noGatewayPlan.authorities;
    for (const name of changedKeys(named, gateway.authorities)) {
      const pem = gateway.authorities.get(name);
      if (pem === undefined) authorities.delete(name);
      else authorities.set(name, pem);
    }
    const decided = groups.finish();
    this.#groups = decided;
    return new DecidedSites(decided, {
      sites: sites.finish(),
      passthrough: passthrough.finish(),
      backends: backends.finish(),
      certificates: this.#certificates.listWith(gateway.certificates, before?.certificates, verified.hosts),
      authorities: authorities.finish(),
      gateway,
      verified,
    });
  }

  #decide(requests: ReadonlySet<SiteRequest>): Group {
    const { policy, hosts } = this.#settings;
    const decided = decideHosts(requests, policy, hosts);
    for (const { request } of decided.admitted) if (this.#claims.note(request)) this.#gateways.forget(request);
    for (const { request, message } of decided.refused)
      if (this.#claims.note(request, message)) this.#gateways.forget(request);
    const isOwn = ({ request }: { readonly request: SiteRequest }) => request.listener === defaultListener;
    const others = [...requests].filter((request) => !isOwn({ request }));
    const [admitted, refused] = [decided.admitted.filter(isOwn), decided.refused.filter(isOwn)];
    const served: ServedSite[] = [];
    const unfit: UnfitSite[] = [];
    for (const one of admitted) {
      const { label, meta } = one.request.owner;
      const checked = this.#check(one);
      if ('reason' in checked) {
        this.#keyPairs.delete(label);
        unfit.push({ ...one, refusal: checked });
        continue;
      }
      const { keyPair, own, note } = checked;
      this.#keyPairs.set(label, { uid: meta.uid, keyPair });
      const authorities = new Map<string, string>();
      for (const [index, pem] of own) authorities.set(authorityOf(label, index), pem);
      const backends = this.#backends.get(one.request) ?? this.#makeBackends(one);
      this.#backends.set(one.request, backends);
      served.push({
        ...one,
        backends,
        ...(keyPair !== undefined && { keyPair }),
        ...(note !== undefined && { certificateNote: note }),
        authorities,
      });
    }
    return { ...this.#guards.protect(served), unfit, refused, others };
  }

  /** Checks the certificate of a request, and the CA certificates of its groups, by their index. */
  #check({ request: { owner }, demand }: AdmittedHost): Checked | CertificateRefusal {
    const { meta, label } = owner;
    const known = this.#keyPairs.get(label);
    const before = known?.uid === meta.uid ? known : undefined;
    const checked = this.#book.checkCertificate(meta.namespace, demand.tls, before);
    if (!checked.ok) return checked.refusal;
    const own: [index: number, pem: string][] = [];
    for (const [index, { tls }] of demand.groups.entries()) {
      if (tls?.authorities === undefined) continue;
      const read = this.#book.checkAuthorities(tls.authorities);
      if (!read.ok) return read.refusal;
      own.push([index, read.pem]);
    }
    return { keyPair: checked.keyPair, own, note: checked.note };
  }

  #makeBackends({ request: { owner }, demand }: AdmittedHost): readonly Backend[] {
    const { defaults, serviceAuthorities } = this.#settings;
    return mapGroups(demand, (group, index) => {
      const shared = serviceAuthorities === undefined ? undefined : serviceAuthority;
      const authority = group.tls?.authorities === undefined ? shared : authorityOf(owner.label, index);
      const name = group.tls === undefined || group.tls.isUnverified === true ? undefined : authority;
      return makeBackend({ owner, demand, group, index }, this.finder, defaults, name);
    });
  }
}

/** Valid certificates of a request. */
interface Checked {
  readonly keyPair: KeyPair | undefined;
  /** CA certificates by index of their group. */
  readonly own: readonly (readonly [index: number, pem: string])[];
  /** Why the default certificate is used instead of the requested one. */
  readonly note: string | undefined;
}

/** Returns the name of the CA certificates of a group. */
function authorityOf(label: string, index: number): string {
  return index === 0 ? label : `${label}:${index}`;
}
