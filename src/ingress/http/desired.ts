import type { HttpDemand } from '../../api/route/http-demand.ts';
import type { Route } from '../../api/route/route.ts';
import type { Backend, Certificate, Passthrough, Site, SitePath } from '../../haproxy/model.ts';
import { formatProblem } from '../../model/problem.ts';
import { EndpointFinder, serviceKeyOf } from '../backends/endpoints.ts';
import { parentOf } from '../claims/host.ts';
import { type AdmittedHost, decideHosts, type HostAdmissions, type HostClaimPolicy } from '../claims/hosts.ts';
import type { AdmissionPolicy } from '../claims/policy.ts';
import { isSelected } from '../claims/selection.ts';
import type { Changes, Inventory } from '../objects/inventory.ts';
import { type HttpDefaults, makeBackend } from './backend.ts';
import type { KeyPair } from './certificate.ts';
import { CertificateBook, type CertificateRefusal, type SecretLookup } from './certificate-book.ts';

/** How hosts and paths are decided about. */
export interface HttpDesiredSettings {
  readonly policy: AdmissionPolicy;
  readonly hosts: HostClaimPolicy;
  readonly defaults: HttpDefaults;
  /** This node's name, as EndpointSlices write it. */
  readonly node: string;
  /** Certificates to which servers of re-encrypt Routes without their own are held, PEM; absent: to none. */
  readonly serviceAuthorities?: string;
  readonly hasHttp2: boolean;
}

/** A Route with what HAProxy needs of it. */
export interface ServedRoute extends AdmittedHost {
  readonly backend: Backend;
  readonly keyPair?: KeyPair;
}

/** A Route whose certificates keep it from being served. */
export interface UnfitRoute extends AdmittedHost {
  readonly refusal: CertificateRefusal;
}

/** Everything about hosts and paths that follows from the objects, at one moment. */
export interface DesiredSites {
  readonly admissions: HostAdmissions;
  readonly served: readonly ServedRoute[];
  readonly unfit: readonly UnfitRoute[];
  readonly sites: ReadonlyMap<string, Site>;
  readonly passthrough: ReadonlyMap<string, Passthrough>;
  readonly backends: ReadonlyMap<string, Backend>;
  readonly certificates: ReadonlyMap<string, Certificate>;
  readonly authorities: ReadonlyMap<string, string>;
}

/** Name of the certificates that stand in for a Route's own destination CA. */
const serviceAuthority = 'service-ca';

/**
 * Computes what HAProxy serves from all objects. Objects of the value that did not change are the very
 * same as before, so that whoever compares finds one change among 10,000 quickly.
 */
export class SitePlanner {
  readonly finder: EndpointFinder;
  readonly #inventory: Inventory;
  readonly #settings: HttpDesiredSettings;
  readonly #book: CertificateBook;
  #admissions: HostAdmissions | undefined;
  #desired: DesiredSites | undefined;
  /** Backends by Route, with the authority they were made with. */
  #backends = new Map<Route, { readonly backend: Backend; readonly authority: string | undefined }>();

  constructor(inventory: Inventory, settings: HttpDesiredSettings, secrets: SecretLookup) {
    this.#inventory = inventory;
    this.#settings = settings;
    this.finder = new EndpointFinder(inventory, settings.node);
    this.#book = new CertificateBook(secrets);
  }

  /** @param changes since the last call; `secrets` that they include Secrets which Routes refer to */
  compute(changes: Changes, secretsChanged: boolean): DesiredSites {
    const touched = changes.of('Service');
    this.finder.forget(touched);
    if (touched.size > 0) {
      for (const [route] of this.#backends) {
        if (route.http.ok && usesAny(route, route.http.value, touched)) this.#backends.delete(route);
      }
    }
    const decides = this.#admissions === undefined || changes.has('Route', 'Namespace');
    if (this.#desired !== undefined && !decides && !secretsChanged && touched.size === 0) return this.#desired;
    if (decides) this.#admissions = this.#decide();
    const admissions = this.#admissions as HostAdmissions;
    this.#desired = this.#assemble(admissions, this.#desired);
    return this.#desired;
  }

  #decide(): HostAdmissions {
    const { policy, hosts } = this.#settings;
    const labelsOf = (namespace: string) => this.#inventory.labelsOf(namespace);
    const routes = [...this.#inventory.all('Route')].filter((route) => isSelected(route, policy, labelsOf));
    // One that asks for a port alone is not for this data plane.
    return decideHosts(routes.filter(hasHost(hosts)), policy, hosts);
  }

  #assemble(admissions: HostAdmissions, before: DesiredSites | undefined): DesiredSites {
    const served: ServedRoute[] = [];
    const unfit: UnfitRoute[] = [];
    const authorities = new Map<string, string>();
    const { serviceAuthorities } = this.#settings;
    if (serviceAuthorities !== undefined) authorities.set(serviceAuthority, serviceAuthorities);
    const backends = new Map<string, Backend>();
    const known = this.#backends;
    this.#backends = new Map();
    for (const admitted of admissions.admitted) {
      const { route, demand } = admitted;
      const checked = this.#book.check(route, demand);
      if (!checked.ok) {
        unfit.push({ ...admitted, refusal: checked.refusal });
        continue;
      }
      const { keyPair, destinationCa } = checked;
      const authority = this.#authorityOf(route, demand, destinationCa);
      if (destinationCa !== undefined && authority !== undefined) authorities.set(authority, destinationCa);
      const last = known.get(route);
      const backend =
        last !== undefined && last.authority === authority
          ? last.backend
          : makeBackend(route, demand, this.finder, this.#settings.defaults, authority);
      this.#backends.set(route, { backend, authority });
      backends.set(backend.id, backend);
      served.push({ ...admitted, backend, ...(keyPair !== undefined && { keyPair }) });
    }
    return {
      admissions,
      served,
      unfit,
      sites: makeSites(served, before?.sites),
      passthrough: makePassthrough(served, before?.passthrough),
      backends,
      certificates: makeCertificates(served, this.#settings.hasHttp2, before?.certificates),
      authorities,
    };
  }

  #authorityOf({ meta }: Route, { tls }: HttpDemand, own: string | undefined): string | undefined {
    if (tls?.termination !== 'reencrypt') return undefined;
    if (own !== undefined) return `${meta.namespace}:${meta.name}`;
    return this.#settings.serviceAuthorities === undefined ? undefined : serviceAuthority;
  }
}

/** Whether a Route wants to be served under a host: one for a port alone has none and gets none. */
function hasHost(hosts: HostClaimPolicy): (route: Route) => boolean {
  const makesHosts = hosts.template !== undefined || hosts.domain !== undefined;
  return ({ ports, host, subdomain }) =>
    ports === undefined || host !== undefined || (subdomain !== undefined && makesHosts);
}

function usesAny({ meta }: Route, { backends }: HttpDemand, services: ReadonlySet<string>): boolean {
  return backends.some((backend) => services.has(serviceKeyOf(backend, meta.namespace)));
}

/** `*.example.com` for the names one label below. */
function nameOf({ host, demand }: Pick<ServedRoute, 'host' | 'demand'>): string {
  return demand.isWildcard ? `*.${parentOf(host) ?? host}` : host;
}

function makeSites(
  served: readonly ServedRoute[],
  before: ReadonlyMap<string, Site> | undefined,
): ReadonlyMap<string, Site> {
  const paths = new Map<string, SitePath[]>();
  for (const one of served) {
    const { tls, path } = one.demand;
    const plain =
      tls === undefined || tls.insecure === 'Allow' ? 'serve' : tls.insecure === 'Redirect' ? 'redirect' : undefined;
    const entry: SitePath = {
      path,
      ...(plain !== undefined && { plain }),
      secure: tls?.termination === 'edge' || tls?.termination === 'reencrypt',
      backend: one.backend.id,
    };
    const host = nameOf(one);
    const list = paths.get(host);
    if (list === undefined) paths.set(host, [entry]);
    else list.push(entry);
  }
  const sites = new Map<string, Site>();
  for (const [host, list] of paths) sites.set(host, keep(before?.get(host), { host, paths: list }, isSameSite));
  return sites;
}

function makePassthrough(
  served: readonly ServedRoute[],
  before: ReadonlyMap<string, Passthrough> | undefined,
): ReadonlyMap<string, Passthrough> {
  const entries = new Map<string, Passthrough>();
  for (const one of served) {
    if (one.demand.tls?.termination !== 'passthrough') continue;
    const host = nameOf(one);
    entries.set(
      host,
      keep(before?.get(host), { host, backend: one.backend.id }, (a, b) => a.backend === b.backend),
    );
  }
  return entries;
}

/**
 * Certificates for HAProxy's list. HTTP/2 is offered where no other Route has the same certificate: else a
 * browser would ask for one Route's host on another's connection (reference: l7, maps).
 */
function makeCertificates(
  served: readonly ServedRoute[],
  hasHttp2: boolean,
  before: ReadonlyMap<string, Certificate> | undefined,
): ReadonlyMap<string, Certificate> {
  const users = new Map<string, number>();
  for (const { keyPair } of served) {
    if (keyPair !== undefined) users.set(keyPair.fingerprint, (users.get(keyPair.fingerprint) ?? 0) + 1);
  }
  const hosts = new Set<string>();
  const certificates = new Map<string, Certificate>();
  for (const one of served) {
    const { keyPair, route } = one;
    const host = nameOf(one);
    // Of the Routes of one host the oldest's certificate counts.
    if (keyPair === undefined || hosts.has(host)) continue;
    hosts.add(host);
    const name = `${route.meta.namespace}:${route.meta.name}`;
    const http2 = hasHttp2 && users.get(keyPair.fingerprint) === 1;
    certificates.set(
      name,
      keep(before?.get(name), { name, pem: keyPair.pem, hosts: [host], http2 }, isSameCertificate),
    );
  }
  return certificates;
}

/** The object of before where it says the same. */
function keep<T>(before: T | undefined, now: T, isSame: (one: T, other: T) => boolean): T {
  return before !== undefined && isSame(before, now) ? before : now;
}

function isSameSite({ paths: before }: Site, { paths: now }: Site): boolean {
  return (
    before.length === now.length &&
    before.every((one, index) => {
      const other = now[index];
      return (
        one.path === other?.path &&
        one.backend === other.backend &&
        one.plain === other.plain &&
        one.secure === other.secure
      );
    })
  );
}

function isSameCertificate(before: Certificate, now: Certificate): boolean {
  return before.pem === now.pem && before.http2 === now.http2 && before.hosts[0] === now.hosts[0];
}

/** Problems in words, for a status. */
export function describeWarnings({ warnings }: HttpDemand): readonly string[] {
  return warnings.slice(0, 5).map((problem) => `${formatProblem(problem)}; it counts as absent`);
}
