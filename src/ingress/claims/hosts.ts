import { formatProblem } from '../../base/model/problem.ts';
import { type HttpDemand, longestHostAndPath } from '../route/http-demand.ts';
import type { Route } from '../route/route.ts';
import { type HostPolicy, hostOf, isServableHost, parentOf } from './host.ts';
import { byAge } from './order.ts';
import type { AdmissionPolicy } from './policy.ts';
import { findDomainProblem } from './selection.ts';

/** Why a Route is not served with its host and path: OpenShift's reasons. */
export type HostRefusalReason =
  | 'NoHostValue'
  | 'InvalidHost'
  | 'RouteNotAdmitted'
  | 'HostAlreadyClaimed'
  | 'ExtendedValidationFailed';

/** A Route that owns its host and path. */
export interface AdmittedHost {
  readonly route: Route;
  readonly host: string;
  readonly demand: HttpDemand;
}

/** A Route that is not served with a host. */
export interface RefusedHost {
  readonly route: Route;
  readonly host?: string;
  readonly reason: HostRefusalReason;
  /** Message for the Route's author. Names no objects of other namespaces. */
  readonly message: string;
}

/** Result for all Routes of this router. */
export interface HostAdmissions {
  /** Oldest first. */
  readonly admitted: readonly AdmittedHost[];
  readonly refused: readonly RefusedHost[];
}

/** The administrator's rules for hosts. */
export interface HostClaimPolicy extends HostPolicy {
  /** Whether wildcard Routes are served (ROUTER_ALLOW_WILDCARD_ROUTES). */
  readonly allowsWildcards: boolean;
  /** Whether namespaces may share a host with different paths (ROUTER_DISABLE_NAMESPACE_OWNERSHIP_CHECK). */
  readonly sharesHosts: boolean;
}

/** Owners of a host, or of the names one label below a domain, and their paths. */
interface Ownership {
  readonly namespace: string;
  /** Owner of each path. */
  readonly paths: Map<string, Route>;
  /** A Route whose TLS ends here, and one whose TLS is passed through: a ClientHello cannot distinguish them. */
  ending?: Route;
  passing?: Route;
}

/**
 * Decides who owns hosts and paths: the oldest Route, then the one with the lower UID. Unless hosts are shared, the
 * namespace of the oldest Route owns the host, and its other Routes need other paths. A rejected Route owns nothing.
 * The result depends on the Routes only, not on their order.
 */
export function decideHosts(routes: Iterable<Route>, policy: AdmissionPolicy, hosts: HostClaimPolicy): HostAdmissions {
  const claims = new HostClaims(hosts);
  const admitted: AdmittedHost[] = [];
  const refused: RefusedHost[] = [];
  for (const route of [...routes].sort(byAge)) {
    const host = hostOf(route, hosts);
    const refuse = (reason: HostRefusalReason, message: string) =>
      refused.push({ route, ...(host !== undefined && { host }), reason, message });
    if (host === undefined) {
      refuse('NoHostValue', 'spec.host is missing: set it, or spec.subdomain if the router has a domain');
      continue;
    }
    if (!isServableHost(host)) {
      refuse('InvalidHost', `spec.host "${host.slice(0, 80)}": must be a host name: labels of letters, digits and "-"`);
      continue;
    }
    const domainProblem = findDomainProblem(host, policy);
    if (domainProblem !== undefined) {
      refuse('RouteNotAdmitted', domainProblem);
      continue;
    }
    if (!route.http.ok) {
      refuse('ExtendedValidationFailed', route.http.problems.slice(0, 3).map(formatProblem).join('; '));
      continue;
    }
    const demand = route.http.value;
    if (demand.isWildcard && !hosts.allowsWildcards) {
      refuse('RouteNotAdmitted', 'spec.wildcardPolicy "Subdomain": wildcard Routes are not allowed by this router');
      continue;
    }
    const longestPath = longestHostAndPath - host.length;
    if (demand.path.length > longestPath) {
      const seen = `${demand.path.length} characters`;
      refuse('ExtendedValidationFailed', `spec.path of ${seen}: must be at most ${longestPath} with host ${host}`);
      continue;
    }
    const problem = claims.claim(route, host, demand);
    if (problem !== undefined) refuse('HostAlreadyClaimed', problem);
    else admitted.push({ route, host, demand });
  }
  return { admitted, refused };
}

class HostClaims {
  readonly #policy: HostClaimPolicy;
  readonly #hosts = new Map<string, Ownership>();
  readonly #wildcards = new Map<string, Ownership>();
  /** Namespaces of hosts one label below a domain, by domain. */
  readonly #below = new Map<string, Map<string, Route>>();

  constructor(policy: HostClaimPolicy) {
    this.#policy = policy;
  }

  /** Claims what a Route requests. Returns the reason if it is not available. */
  claim(route: Route, host: string, { isWildcard, path, tls }: HttpDemand): string | undefined {
    const { namespace } = route.meta;
    const parent = parentOf(host);
    if (isWildcard && parent === undefined) return 'spec.host: must have a domain for wildcardPolicy Subdomain';
    const claims = isWildcard ? this.#wildcards : this.#hosts;
    const name = isWildcard ? (parent as string) : host;
    const blocker = this.#policy.sharesHosts ? undefined : this.#findBlocker(namespace, name, isWildcard, parent);
    if (blocker !== undefined) return blocker;
    const known = claims.get(name);
    // A path of slashes only means all paths, like an empty path.
    const place = /^\/*$/.test(path) ? '' : path;
    const owner = known?.paths.get(place);
    if (owner !== undefined)
      return describeOwner(owner, route, place === '' ? `host ${host}` : `host ${host} and path ${path}`);
    const isPassing = tls?.termination === 'passthrough';
    const rival = tls === undefined ? undefined : isPassing ? known?.ending : known?.passing;
    if (rival !== undefined) return describeOwner(rival, route, `TLS of host ${host}`);
    const ownership: Ownership = known ?? { namespace, paths: new Map() };
    ownership.paths.set(place, route);
    if (isPassing) ownership.passing ??= route;
    else if (tls !== undefined) ownership.ending ??= route;
    claims.set(name, ownership);
    if (!isWildcard && parent !== undefined) {
      const namespaces = this.#below.get(parent) ?? new Map<string, Route>();
      if (!namespaces.has(namespace)) namespaces.set(namespace, route);
      this.#below.set(parent, namespaces);
    }
    return undefined;
  }

  /**
   * Returns why another namespace blocks the claim: it owns the host, a wildcard above it, or hosts below the
   * wildcard.
   */
  #findBlocker(namespace: string, name: string, isWildcard: boolean, parent: string | undefined): string | undefined {
    const known = (isWildcard ? this.#wildcards : this.#hosts).get(name);
    const taken = isWildcard ? `the names below ${name} belong` : `host ${name} belongs`;
    if (known !== undefined && known.namespace !== namespace) return `${taken} to an older Route of another namespace`;
    if (isWildcard) {
      const others = [...(this.#below.get(name)?.keys() ?? [])].some((other) => other !== namespace);
      return others ? `a host below ${name} belongs to an older Route of another namespace` : undefined;
    }
    const above = parent === undefined ? undefined : this.#wildcards.get(parent);
    if (above === undefined || above.namespace === namespace) return undefined;
    return `the names below ${parent} belong to an older Route of another namespace`;
  }
}

function describeOwner(owner: Route, loser: Route, what: string): string {
  const isOwn = owner.meta.namespace === loser.meta.namespace;
  return `${what} belongs to ${isOwn ? `the older Route ${owner.meta.name}` : 'an older Route of another namespace'}`;
}
