import type { EndpointFinder } from '../backends/endpoints.ts';
import { isWildcard, parentOf } from '../claims/host.ts';
import type { Backend, BackendRedirect, SitePort } from '../haproxy/model.ts';
import type { ClientDemand, SiteRequest } from '../intent/site-request.ts';
import type { DesiredSites } from './desired.ts';
import type { RefusedAtListener } from './gateway-plan.ts';
import { traceAtGateways } from './gateway-trace.ts';
import { findBreach } from './path-guards.ts';
import type { RequestTrace } from './request-trace-document.ts';
import type { ServedSite } from './served-site.ts';
import type { TracedRequest } from './traced-request.ts';
import { findLack } from './verified-hosts.ts';

/**
 * Returns the Route, or the listener and route of a Gateway, that answers a request, and why no other does. At the
 * router's own ports, the most specific host decides, whatever its kind.
 *
 * @param finder finds the endpoints of Services
 * @param notes of the Routes' statuses, by UID
 */
export function traceRequest(
  desired: DesiredSites,
  request: TracedRequest,
  ports: RequestTrace['ports'],
  finder: EndpointFinder,
  notes?: ReadonlyMap<string, readonly string[]>,
): RequestTrace {
  const isOwn = request.port === undefined || request.port === (request.tls ? ports.https : ports.http);
  const isAtRouter = isOwn && request.address === undefined;
  const host = bareHost(request);
  const atRouter = isAtRouter ? traceAtRouter(desired, request, ports, notes) : undefined;
  if (atRouter !== undefined && isNamed(desired, host, request.tls ? 'secure' : 'plain')) return atRouter;
  const hasRest = isAtRouter && desired.served.some(({ request: { span } }) => span === 'all');
  const atGateway = traceAtGateways(desired, request, ports, finder, hasRest);
  if (atGateway !== undefined) {
    const others = isAtRouter ? listUnserved(desired, host) : [];
    return { ...atGateway, others: [...atGateway.others, ...others] };
  }
  return (
    atRouter ?? {
      schema: 'ingress-agent.trace/v1',
      host: request.host,
      path: request.path,
      tls: request.tls,
      ports,
      outcome: 'error',
      explanation: 'no listener has this address, port and host',
      endpoints: [],
      others: [],
    }
  );
}

/** Returns the host without port and final dot, in lower case. */
function bareHost({ host }: TracedRequest): string {
  return host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
}

/** Returns whether a host, or the names one label below its domain, belong to Routes or Ingresses. */
function isNamed({ sites, passthrough }: DesiredSites, host: string, port: SitePort): boolean {
  const wildcard = `*.${parentOf(host) ?? ''}`;
  const own = sites.get(host);
  if (own?.ceded !== undefined) return !own.ceded.includes(port) && sites.has(wildcard);
  return [host, wildcard].some((name) => sites.has(name) || passthrough.has(name));
}

/**
 * Returns the Route that answers a request, its endpoints, and why no other Route answers, by the same rules as
 * HAProxy's maps.
 *
 * @param notes of the Routes' statuses, by UID
 */
function traceAtRouter(
  desired: DesiredSites,
  request: TracedRequest,
  ports: RequestTrace['ports'],
  notes: ReadonlyMap<string, readonly string[]> = new Map(),
): RequestTrace {
  const host = bareHost(request);
  const parent = parentOf(host);
  const named = desired.served.filter(({ request, host: own }) =>
    isWildcard(request) ? parentOf(own) === parent : own === host,
  );
  // Sites for every host answer only for hosts that no object names.
  const candidates = named.length > 0 ? named : desired.served.filter(({ request: { span } }) => span === 'all');
  const listOf = (isBelow: boolean) =>
    candidates.filter((one) => isWildcard(one.request) === isBelow).flatMap(listMatches);
  const [ofHost, ofParent] = [listOf(false), listOf(true)];
  const all = [...ofHost, ...ofParent];
  const make = (outcome: RequestTrace['outcome'], explanation: string, chosen?: MatchedSite): RequestTrace => ({
    schema: 'ingress-agent.trace/v1',
    host: request.host,
    path: request.path,
    tls: request.tls,
    ports,
    outcome,
    explanation,
    ...(chosen !== undefined && {
      route: nameOf(chosen),
      notes: [...(notes.get(chosen.site.request.owner.meta.uid) ?? [])],
    }),
    endpoints: outcome === 'redirect' ? [] : listEndpoints(chosen),
    others: [
      ...all
        .filter((one) => one !== chosen)
        .map((one) => ({ ...nameOf(one), why: explainOther(one, chosen, request) })),
      ...listUnserved(desired, host, desired.gateway.refused),
    ],
  });
  const answer = (found: MatchedSite): RequestTrace => {
    const breach = findBreach(desired, host, request.path, found.backend?.http?.guard);
    if (breach !== undefined) return make('error', breach, found);
    const redirect = found.backend?.http?.redirect;
    if (redirect !== undefined) return make('redirect', describeRedirect(redirect), found);
    const lack = findLack(desired.verified, found.site);
    if (lack !== undefined) return make('error', `${lack}: 503`, found);
    const { closed, tls } = found.site.demand;
    return make('served', closed?.message ?? `${describeAnswer(found)}${describeClients(tls?.clients)}`, found);
  };
  if (request.tls) {
    const passed = [...ofHost, ...(ofHost.some(endsTls) ? [] : ofParent)].find(
      ({ site }) => site.demand.tls?.end === 'endpoint',
    );
    if (passed !== undefined) return make('passthrough', 'the endpoint terminates TLS', passed);
    const found =
      findLongest(ofHost.filter(endsTls), request.path) ?? findLongest(ofParent.filter(endsTls), request.path);
    if (found === undefined) return make('error', 'no Route terminates TLS for this host and path: 503');
    return answer(found);
  }
  // The longest path of all decides about the redirect, then the longest path that is served without TLS.
  let isDecided = false;
  for (const matches of [ofHost, ofParent]) {
    const decider = findLongest(matches, request.path);
    if (!isDecided && decider?.site.demand.tls?.plain === 'redirect') {
      const { redirectStatus = 302 } = decider.site.demand.tls;
      return make('redirect', `${redirectStatus} to https://${host}${request.path}`, decider);
    }
    isDecided ||= decider !== undefined;
    const found = findLongest(matches.filter(isPlain), request.path);
    if (found !== undefined) return answer(found);
  }
  return make('error', 'no Route answers plain HTTP for this host and path: 503');
}

/** A path of a served request, and its target. */
interface MatchedSite {
  readonly site: ServedSite;
  readonly path: string;
  readonly isExact: boolean;
  readonly backend: Backend | undefined;
}

function listMatches(site: ServedSite): readonly MatchedSite[] {
  return site.demand.matches.map(({ path, group }) => ({
    site,
    path: path.type === 'element' ? path.value.replace(/\/+$/, '') : path.value,
    isExact: path.type === 'exact',
    backend: site.backends[group],
  }));
}

function endsTls({ site }: MatchedSite): boolean {
  return site.demand.tls?.end === 'router';
}

function isPlain({ site: { demand } }: MatchedSite): boolean {
  return demand.tls === undefined || demand.tls.plain === 'serve';
}

/** Returns the exact path of a request, or the longest prefix that matches it. */
function findLongest(matches: readonly MatchedSite[], path: string): MatchedSite | undefined {
  const fitting = matches.filter((one) => fits(path, one));
  return fitting.toSorted(
    (one, other) => Number(other.isExact) - Number(one.isExact) || other.path.length - one.path.length,
  )[0];
}

function fits(path: string, { path: own, isExact }: MatchedSite): boolean {
  return isExact ? path === own : isBelow(path, own);
}

function isBelow(path: string, prefix: string): boolean {
  if (/^\/*$/.test(prefix)) return true;
  if (prefix.endsWith('/')) return path.startsWith(prefix);
  return path === prefix || path.startsWith(`${prefix}/`);
}

/** Names of the treatments of plain HTTP, in OpenShift's words. */
const policies = { reject: 'None', serve: 'Allow', redirect: 'Redirect' } as const;

function explainOther(one: MatchedSite, chosen: MatchedSite | undefined, { path, tls }: TracedRequest): string {
  const own = one.site.demand.tls;
  if (!fits(path, one)) return `its path ${one.path} does not match`;
  if (tls && own === undefined) return 'it serves no TLS';
  if (!tls && own !== undefined && !isPlain(one)) return `insecureEdgeTerminationPolicy is ${policies[own.plain]}`;
  if (chosen !== undefined && !isWildcard(chosen.site.request) && isWildcard(one.site.request)) {
    return 'a host takes precedence over a wildcard';
  }
  return chosen?.isExact === true ? 'another Route has this exact path' : 'another Route has a longer path';
}

function listUnserved(
  { unfit, refused }: DesiredSites,
  host: string,
  atListeners: readonly RefusedAtListener[] = [],
): RequestTrace['others'] {
  return [
    ...unfit
      .filter((one) => one.host === host)
      .map(({ request, refusal }) => ({ ...nameRequest(request), host, why: refusal.message })),
    ...[...refused, ...atListeners]
      .filter(({ request }) => request.host === host)
      .map(({ request, message }) => ({ ...nameRequest(request), host, why: message })),
  ];
}

function nameRequest({ owner: { meta }, demand }: SiteRequest): { namespace: string; name: string; path: string } {
  const path = demand.ok ? (demand.value.matches[0]?.path.value ?? '') : '';
  return { namespace: meta.namespace, name: meta.name, path };
}

function nameOf({ site: { request, host }, path }: MatchedSite) {
  const { namespace, name } = request.owner.meta;
  return { namespace, name, host, path };
}

function listEndpoints(chosen: MatchedSite | undefined): RequestTrace['endpoints'] {
  return (chosen?.backend?.servers ?? []).map(({ id, address, port, weight }) => ({
    id,
    address: address.text,
    port,
    weight,
  }));
}

function describeRedirect({ status, scheme, host, path }: BackendRedirect): string {
  const place = host === undefined ? 'the same host' : `${scheme === undefined ? '' : `${scheme}:`}//${host}`;
  return `${status} to ${place}${path ?? ' and path'}`;
}

/** Returns what answers a request, and who may send it. */
function describeAnswer(found: MatchedSite): string {
  const login = found.backend?.http?.login;
  const words = describeEndpoints(found);
  return login === undefined ? words : `${words}; only for its users (basic authentication), others get 401`;
}

function describeClients(clients: ClientDemand | undefined): string {
  if (clients === undefined) return '';
  const words = {
    required: 'with a valid certificate',
    optional: 'without an invalid certificate',
    untrusted: 'without an invalid certificate, of any issuer',
  };
  const subject = clients.subject === undefined ? '' : ` and with ${clients.subject} in its subject (others get 403)`;
  return `; only for clients ${words[clients.mode]}${subject} (authorities in ${clients.name}), others get 400, and requests on connections for other hosts 421`;
}

function describeEndpoints({ backend }: MatchedSite): string {
  const many = (backend?.servers ?? []).filter(({ weight }) => weight > 0).length;
  if (many === 0) return 'the Route has no endpoint: 503';
  return `one of ${many} ${many === 1 ? 'endpoint' : 'endpoints'} answers (${backend?.balance})`;
}
