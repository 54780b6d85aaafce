import { formatProblem } from '../../base/model/problem.ts';
import { defaultListener } from '../intent/listener.ts';
import { longestHostAndPath, type PathMatch } from '../intent/match.ts';
import type { SiteDemand, SiteOwner, SiteRequest } from '../intent/site-request.ts';
import { findDomainProblem } from './domains.ts';
import { explainHost, isServableHost, isWildcard, parentOf, wildcardDomainOf } from './host.ts';
import { byAge } from './order.ts';
import type { AdmissionPolicy } from './policy.ts';

/** Why a request for a host is rejected, with OpenShift's reasons. */
export type HostRefusalReason =
  | 'NoHostValue'
  | 'InvalidHost'
  | 'RouteNotAdmitted'
  | 'HostAlreadyClaimed'
  | 'ExtendedValidationFailed';

/** A request that owns its host and paths. */
export interface AdmittedHost {
  readonly request: SiteRequest;
  readonly host: string;
  readonly demand: SiteDemand;
}

/** A request that is not served. */
export interface RefusedHost {
  readonly request: SiteRequest;
  readonly reason: HostRefusalReason;
  /** For the author of the object. Names nothing of other namespaces. */
  readonly message: string;
}

/** Outcome of all requests. */
export interface HostAdmissions {
  /** Oldest first. */
  readonly admitted: readonly AdmittedHost[];
  readonly refused: readonly RefusedHost[];
}

/** The administrator's policy for hosts. */
export interface HostClaimPolicy {
  /** Serves wildcards of Routes (ROUTER_ALLOW_WILDCARD_ROUTES). */
  readonly allowsWildcards: boolean;
  /** Rejects those of Ingresses, too: the variable is `false`. Unless it is, they are served, as their API demands. */
  readonly deniesWildcards?: boolean;
  /** Whether namespaces may share a host with different paths (ROUTER_DISABLE_NAMESPACE_OWNERSHIP_CHECK). */
  readonly sharesHosts: boolean;
}

/** Owner of a host, or of the names one label below a domain, and owners of its paths. */
interface Ownership {
  readonly owner: SiteOwner;
  /** Whether it belongs to requests at listeners of Gateways, and not at the default one: never to both. */
  readonly isAtGateway: boolean;
  /** Owners of paths, by path. */
  readonly paths: Map<string, SiteOwner>;
  /** A request whose TLS the router terminates, and a passthrough one: a ClientHello cannot distinguish them. */
  ending?: SiteOwner;
  passing?: SiteOwner;
}

/**
 * Decides who owns hosts and paths, for all kinds of objects together: the oldest object, then the one with the lower
 * UID. Unless hosts are shared, the namespace of the oldest object owns the host, and its other objects need other
 * paths. Requests that merge with each other share hosts and paths. Requests at the default listener and at listeners of
 * Gateways never share a host or wildcard, because HAProxy asks one of the two for its paths. A rejected request owns
 * nothing; one with several paths gets all of them or none. The result does not depend on the order of the requests.
 */
export function decideHosts(
  requests: Iterable<SiteRequest>,
  policy: AdmissionPolicy,
  hosts: HostClaimPolicy,
): HostAdmissions {
  const claims = new HostClaims(hosts);
  const admitted: AdmittedHost[] = [];
  const refused: RefusedHost[] = [];
  for (const request of [...requests].sort((one, other) => byAge(one.owner, other.owner))) {
    const judged = judge(request, policy, hosts);
    if ('reason' in judged) {
      refused.push({ request, ...judged });
      continue;
    }
    const problem = claims.claim(request, judged);
    if (problem === undefined) admitted.push({ request, ...judged });
    else refused.push({ request, reason: 'HostAlreadyClaimed', message: problem });
  }
  return { admitted, refused };
}

/** The host of a request for every name, in claims. */
const everyName = '*';

type Valid = Pick<AdmittedHost, 'host' | 'demand'>;
type Invalid = Pick<RefusedHost, 'reason' | 'message'>;

/** Validates a request by itself. */
function judge(request: SiteRequest, policy: AdmissionPolicy, hosts: HostClaimPolicy): Valid | Invalid {
  const { owner, host, demand } = request;
  const { fields } = owner;
  if (request.span === 'all') {
    // The planner of listeners checks the domains of its requests.
    if (request.listener !== defaultListener) return judgeDemand(request, everyName);
    if (policy.allowedDomains.length + policy.deniedDomains.length === 0) return judgeDemand(request, everyName);
    const message = `${fields.host} is missing: this router restricts the domains of hosts, so it serves no rule for every host`;
    return { reason: 'RouteNotAdmitted', message };
  }
  if (host === undefined) {
    const message = `${fields.host} is missing: set it, or spec.subdomain if the router has a domain`;
    return { reason: 'NoHostValue', message };
  }
  if (!isServableHost(host)) {
    const message = `${fields.host} "${host.slice(0, 80)}": ${explainHost(host, fields.wildcard)}`;
    return { reason: 'InvalidHost', message };
  }
  const domainProblem = findDomainProblem(host, fields.host, policy);
  if (domainProblem !== undefined) return { reason: 'RouteNotAdmitted', message: domainProblem };
  const isDenied = owner.kind === 'Route' ? !hosts.allowsWildcards : hosts.deniesWildcards === true;
  if (demand.ok && isWildcard(request) && isDenied) {
    const message = `${fields.wildcard}: wildcard ${owner.kind === 'Ingress' ? 'hosts of Ingresses' : `${owner.kind}s`} are not allowed by this router`;
    return { reason: 'RouteNotAdmitted', message };
  }
  return judgeDemand(request, host);
}

/** Validates what a request demands, apart from its host. */
function judgeDemand({ owner, demand }: SiteRequest, host: string): Valid | Invalid {
  if (!demand.ok) {
    const message = demand.problems.slice(0, 3).map(formatProblem).join('; ');
    return { reason: 'ExtendedValidationFailed', message };
  }
  const longestPath = longestHostAndPath - host.length;
  const long = demand.value.matches.find(({ path }) => path.value.length > longestPath);
  if (long !== undefined) {
    const seen = `${long.path.value.length} characters`;
    const message = `${owner.fields.path} of ${seen}: must be at most ${longestPath} with host ${host}`;
    return { reason: 'ExtendedValidationFailed', message };
  }
  return { host, demand: demand.value };
}

class HostClaims {
  readonly #policy: HostClaimPolicy;
  readonly #hosts = new Map<string, Ownership>();
  readonly #wildcards = new Map<string, Ownership>();
  /** Owners of hosts one label below a domain, by domain; one of each namespace and kind of merging. */
  readonly #below = new Map<string, Map<string, SiteOwner>>();

  constructor(policy: HostClaimPolicy) {
    this.#policy = policy;
  }

  /** Claims what a request needs. Returns a description of the obstacle, or undefined. */
  claim(request: SiteRequest, { host, demand: { matches, tls } }: Valid): string | undefined {
    const { owner } = request;
    const isAtGateway = request.listener !== defaultListener;
    const domain = wildcardDomainOf(request);
    const isBelow = isWildcard(request) || domain !== undefined;
    if (isBelow && domain === undefined) return `${owner.fields.host}: must have a domain for ${owner.fields.wildcard}`;
    const parent = isBelow ? undefined : parentOf(host);
    const claims = isBelow ? this.#wildcards : this.#hosts;
    const name = domain ?? host;
    const known = claims.get(name);
    const what = isBelow
      ? `the names below ${name} belong`
      : `${name === everyName ? 'every host' : `host ${name}`} belongs`;
    if (known !== undefined && known.isAtGateway !== isAtGateway)
      return `${what} to ${describeOwner(known.owner, owner)}`;
    const blocker = this.#policy.sharesHosts ? undefined : this.#findBlocker(request, { name, isBelow, parent, what });
    if (blocker !== undefined) return blocker;
    const places = matches.map(({ path }) => ({ path: path.value, place: placeOf(path) }));
    for (const { path, place } of places) {
      const rival = known?.paths.get(place);
      if (rival === undefined || merges(rival, owner)) continue;
      const where = place === '' ? `host ${host}` : `host ${host} and path ${path}`;
      return `${where} belongs to ${describeOwner(rival, owner)}`;
    }
    const isPassing = tls?.end === 'endpoint';
    const rival = tls === undefined ? undefined : isPassing ? known?.ending : known?.passing;
    if (rival !== undefined) return `TLS of host ${host} belongs to ${describeOwner(rival, owner)}`;
    const ownership: Ownership = known ?? { owner, isAtGateway, paths: new Map() };
    for (const { place } of places) if (!ownership.paths.has(place)) ownership.paths.set(place, owner);
    if (isPassing) ownership.passing ??= owner;
    else if (tls !== undefined) ownership.ending ??= owner;
    claims.set(name, ownership);
    if (parent !== undefined) {
      const owners = this.#below.get(parent) ?? new Map<string, SiteOwner>();
      const key = `${owner.meta.namespace} ${owner.merge ?? ''}`;
      if (!owners.has(key)) owners.set(key, owner);
      this.#below.set(parent, owners);
    }
    return undefined;
  }

  /**
   * Returns another namespace's claim of the host, of a wildcard above it, or of hosts below a wildcard. A wildcard at a
   * listener of a Gateway yields to every host below it.
   */
  #findBlocker(
    { owner, span }: SiteRequest,
    { name, isBelow, parent, what }: { name: string; isBelow: boolean; parent: string | undefined; what: string },
  ): string | undefined {
    const known = (isBelow ? this.#wildcards : this.#hosts).get(name)?.owner;
    if (known !== undefined && blocks(known, owner)) return `${what} to ${foreign(known)}`;
    if (span === 'labels') return undefined;
    if (isBelow) {
      const other = [...(this.#below.get(name)?.values() ?? [])].find((one) => blocks(one, owner));
      return other === undefined ? undefined : `a host below ${name} belongs to ${foreign(other)}`;
    }
    const above = parent === undefined ? undefined : this.#wildcards.get(parent);
    if (above === undefined || above.isAtGateway || !blocks(above.owner, owner)) return undefined;
    return `the names below ${parent} belong to ${foreign(above.owner)}`;
  }
}

/** Returns a path as the key of its claim. A prefix of slashes only means every path, like no path. */
function placeOf({ type, value }: PathMatch): string {
  if (type === 'exact') return `=${value}`;
  if (type === 'element') return value.replace(/\/+$/, '');
  return /^\/*$/.test(value) ? '' : value;
}

function merges(one: SiteOwner, other: SiteOwner): boolean {
  return one.merge !== undefined && one.merge === other.merge;
}

function blocks(one: SiteOwner, other: SiteOwner): boolean {
  return one.meta.namespace !== other.meta.namespace && !merges(one, other);
}

function foreign({ kind }: { readonly kind: string }): string {
  return `an older ${kind} of another namespace`;
}

function describeOwner(owner: SiteOwner, loser: SiteOwner): string {
  const isOwn = owner.meta.namespace === loser.meta.namespace;
  return isOwn ? `the older ${owner.kind} ${owner.meta.name}` : foreign(owner);
}
