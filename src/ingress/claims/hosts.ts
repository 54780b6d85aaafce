import { formatProblem } from '../../base/model/problem.ts';
import { longestHostAndPath, type PathMatch } from '../intent/match.ts';
import type { SiteDemand, SiteOwner, SiteRequest } from '../intent/site-request.ts';
import { findDomainProblem } from './domains.ts';
import { explainHost, isServableHost, isWildcard, parentOf } from './host.ts';
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
  /** Serves wildcards (ROUTER_ALLOW_WILDCARD_ROUTES). */
  readonly allowsWildcards: boolean;
  /** Whether namespaces may share a host with different paths (ROUTER_DISABLE_NAMESPACE_OWNERSHIP_CHECK). */
  readonly sharesHosts: boolean;
}

/** Owner of a host, or of the names one label below a domain, and owners of its paths. */
interface Ownership {
  readonly owner: SiteOwner;
  /** Owners of paths, by path. */
  readonly paths: Map<string, SiteOwner>;
  /** A request whose TLS the router terminates, and a passthrough one: a ClientHello cannot distinguish them. */
  ending?: SiteOwner;
  passing?: SiteOwner;
}

/**
 * Decides who owns hosts and paths, for all kinds of objects together: the oldest object, then the one with the lower
 * UID. Unless hosts are shared, the namespace of the oldest object owns the host, and its other objects need other
 * paths. Requests that merge with each other share hosts and paths. A rejected request owns nothing; one with
 * several paths gets all of them or none. The result does not depend on the order of the requests.
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

type Valid = Pick<AdmittedHost, 'host' | 'demand'>;
type Invalid = Pick<RefusedHost, 'reason' | 'message'>;

/** Validates a request by itself. */
function judge(request: SiteRequest, policy: AdmissionPolicy, hosts: HostClaimPolicy): Valid | Invalid {
  const { owner, host, demand } = request;
  const { fields } = owner;
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
  if (!demand.ok) {
    const message = demand.problems.slice(0, 3).map(formatProblem).join('; ');
    return { reason: 'ExtendedValidationFailed', message };
  }
  if (isWildcard(request) && !hosts.allowsWildcards) {
    const message = `${fields.wildcard}: wildcard ${owner.kind}s are not allowed by this router`;
    return { reason: 'RouteNotAdmitted', message };
  }
  const longestPath = longestHostAndPath - host.length;
  const long = demand.value.matches.find(({ path }) => path.value.length > longestPath);
  if (long !== undefined) {
    const seen = `${long.path.value.length} characters`;
    const message = `${fields.path} of ${seen}: must be at most ${longestPath} with host ${host}`;
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
    const isBelow = isWildcard(request);
    const parent = parentOf(host);
    if (isBelow && parent === undefined) return `${owner.fields.host}: must have a domain for ${owner.fields.wildcard}`;
    const claims = isBelow ? this.#wildcards : this.#hosts;
    const name = isBelow ? (parent as string) : host;
    const blocker = this.#policy.sharesHosts ? undefined : this.#findBlocker(owner, name, isBelow, parent);
    if (blocker !== undefined) return blocker;
    const known = claims.get(name);
    const places = matches.map(({ path }) => ({ path: path.value, place: placeOf(path) }));
    for (const { path, place } of places) {
      const rival = known?.paths.get(place);
      if (rival === undefined || merges(rival, owner)) continue;
      return describeOwner(rival, owner, place === '' ? `host ${host}` : `host ${host} and path ${path}`);
    }
    const isPassing = tls?.end === 'endpoint';
    const rival = tls === undefined ? undefined : isPassing ? known?.ending : known?.passing;
    if (rival !== undefined) return describeOwner(rival, owner, `TLS of host ${host}`);
    const ownership: Ownership = known ?? { owner, paths: new Map() };
    for (const { place } of places) if (!ownership.paths.has(place)) ownership.paths.set(place, owner);
    if (isPassing) ownership.passing ??= owner;
    else if (tls !== undefined) ownership.ending ??= owner;
    claims.set(name, ownership);
    if (!isBelow && parent !== undefined) {
      const owners = this.#below.get(parent) ?? new Map<string, SiteOwner>();
      const key = `${owner.meta.namespace} ${owner.merge ?? ''}`;
      if (!owners.has(key)) owners.set(key, owner);
      this.#below.set(parent, owners);
    }
    return undefined;
  }

  /** Returns another namespace's claim of the host, of a wildcard above it, or of hosts below a wildcard. */
  #findBlocker(owner: SiteOwner, name: string, isBelow: boolean, parent: string | undefined): string | undefined {
    const known = (isBelow ? this.#wildcards : this.#hosts).get(name)?.owner;
    const taken = isBelow ? `the names below ${name} belong` : `host ${name} belongs`;
    if (known !== undefined && blocks(known, owner)) return `${taken} to ${foreign(known)}`;
    if (isBelow) {
      const other = [...(this.#below.get(name)?.values() ?? [])].find((one) => blocks(one, owner));
      return other === undefined ? undefined : `a host below ${name} belongs to ${foreign(other)}`;
    }
    const above = parent === undefined ? undefined : this.#wildcards.get(parent)?.owner;
    if (above === undefined || !blocks(above, owner)) return undefined;
    return `the names below ${parent} belong to ${foreign(above)}`;
  }
}

/** Returns a path as the key of its claim. A prefix of slashes only means every path, like no path. */
function placeOf({ type, value }: PathMatch): string {
  if (type === 'exact') return `=${value}`;
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

function describeOwner(owner: SiteOwner, loser: SiteOwner, what: string): string {
  const isOwn = owner.meta.namespace === loser.meta.namespace;
  return `${what} belongs to ${isOwn ? `the older ${owner.kind} ${owner.meta.name}` : foreign(owner)}`;
}
