import type { EndpointFinder } from '../backends/endpoints.ts';
import type { Backend } from '../haproxy/model.ts';
import type { ListenerId, SiteListener } from '../intent/listener.ts';
import type { Match, ValueMatch } from '../intent/match.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import type { DesiredSites } from './desired.ts';
import { bySpecificity, covers } from './gateway-hosts.ts';
import { findPlaces, type Place } from './gateway-places.ts';
import { byPrecedence, makeRules, makeTarget, type RankedRule, requestPattern } from './gateway-rules.ts';
import type { RequestTrace } from './request-trace-document.ts';
import type { ServedSite } from './served-site.ts';
import type { TracedRequest } from './traced-request.ts';

/** A match of a route, in order of precedence. */
interface Candidate {
  readonly site: ServedSite;
  readonly match: Match;
  readonly ranked: RankedRule;
}

/**
 * Returns the listener, route, rule and match that answer a request at a listener of a Gateway, and why no other match
 * does. Undefined: no listener receives the request.
 *
 * @param yieldsRest whether a site for every host answers where a listener without hostname has no route
 */
export function traceAtGateways(
  desired: DesiredSites,
  request: TracedRequest,
  ports: RequestTrace['ports'],
  finder: EndpointFinder,
  yieldsRest = false,
): RequestTrace | undefined {
  const host = request.host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
  const port = request.port ?? (request.tls ? ports.https : ports.http);
  const sound = desired.gateway.listeners.filter(({ reason }) => reason === undefined);
  const { places } = findPlaces(sound.map(({ listener }) => listener));
  const place = choosePlace(places, { ...request, host, port });
  const listener = place && chooseListener(place, host);
  if (listener === undefined) return undefined;
  const candidates = listCandidates(desired, finder, listener.id, host);
  if (yieldsRest && listener.hostname === undefined && candidates.length === 0) return undefined;
  const isPassthrough = listener.tls?.end === 'endpoint';
  const failures = new Map(candidates.map((one) => [one, isPassthrough ? undefined : explainMismatch(one, request)]));
  const chosen = candidates.find((one) => failures.get(one) === undefined);
  const backend = chosen?.site.backends[chosen.match.group];
  const { outcome, explanation } = describeOutcome(chosen, backend, isPassthrough);
  return {
    schema: 'ingress-agent.trace/v1',
    host: request.host,
    path: request.path,
    tls: request.tls,
    ports,
    outcome,
    explanation,
    listener: describeListener(listener),
    ...(chosen !== undefined && { route: nameOf(chosen), notes: [] }),
    endpoints:
      outcome === 'redirect'
        ? []
        : (backend?.servers ?? []).map(({ id, address, port: own, weight }) => ({
            id,
            address: address.text,
            port: own,
            weight,
          })),
    others: [
      ...candidates
        .filter((one) => one !== chosen)
        .map((one) => ({ ...nameOf(one), why: failures.get(one) ?? explainLater(one, chosen) })),
      ...listRefused(desired, listener.id, host),
    ],
  };
}

/** Returns the place of an address; without one, the node's own, or else the first with a matching listener. */
function choosePlace(
  places: readonly Place[],
  { host, port, tls, address }: TracedRequest & { readonly port: number },
): Place | undefined {
  const fitting = places.filter((place) => place.port === port && place.isTls === tls);
  const at = (pair: string) => fitting.find((place) => place.at.includes(pair));
  if (address !== undefined) return at(`${port}@${address}`) ?? at(`${port}@*`);
  return at(`${port}@*`) ?? fitting.find((place) => chooseListener(place, host) !== undefined);
}

function chooseListener({ listeners }: Place, host: string): SiteListener | undefined {
  const [owner] = [...listeners.keys()].filter((pattern) => covers(pattern, host)).sort(bySpecificity);
  return owner === undefined ? undefined : listeners.get(owner);
}

/** Returns all matches of a listener's routes for a host, most specific names first. */
function listCandidates(
  { gateway }: DesiredSites,
  finder: EndpointFinder,
  id: ListenerId,
  host: string,
): readonly Candidate[] {
  const sites = gateway.served.filter(({ request, host: own }) => request.listener === id && covers(own, host));
  return sites
    .flatMap((site) => {
      const { request, demand, backends } = site;
      const targets = demand.groups.map((group, index) =>
        makeTarget(group, backends[index]?.id ?? '', request.owner.meta.namespace, finder),
      );
      return makeRules(request, targets).map((ranked): Candidate => {
        return { site, match: demand.matches[ranked.index] as Match, ranked };
      });
    })
    .sort((one, other) => bySpecificity(one.site.host, other.site.host) || byPrecedence(one.ranked, other.ranked));
}

function describeOutcome(
  chosen: Candidate | undefined,
  backend: Backend | undefined,
  isPassthrough: boolean,
): Pick<RequestTrace, 'outcome' | 'explanation'> {
  if (chosen === undefined) {
    const what = isPassthrough ? 'the connection is closed' : '404';
    return { outcome: 'error', explanation: `no route of this listener matches: ${what}` };
  }
  if (isPassthrough) return { outcome: 'passthrough', explanation: 'the endpoint terminates TLS' };
  const { redirect } = chosen.match.filters;
  if (redirect !== undefined) {
    const to = `${redirect.scheme ?? ''}${redirect.scheme === undefined ? '' : '://'}${redirect.host ?? ''}`;
    return { outcome: 'redirect', explanation: `${redirect.status}${to === '' ? '' : ` to ${to}`}` };
  }
  const { target } = chosen.ranked.rule;
  if (target.kind === 'answer') {
    const why = target.status === 503 ? 'no backend has an endpoint' : 'the rule has no valid backend';
    return { outcome: 'error', explanation: `${why}: ${target.status}` };
  }
  const many = (backend?.servers ?? []).filter(({ weight }) => weight > 0).length;
  if (many === 0) return { outcome: 'error', explanation: 'no backend has an endpoint: 503' };
  const shares =
    target.kind === 'split'
      ? `; ${target.parts.flatMap((part) => (part.target.kind === 'answer' ? [`a part of the requests gets ${part.target.status}`] : [])).join(', ')}`
      : '';
  return {
    outcome: 'served',
    explanation: `one of ${many} ${many === 1 ? 'endpoint' : 'endpoints'} answers (${backend?.balance})${shares}`,
  };
}

/** Returns why a match does not apply to a request, or undefined if it does. */
function explainMismatch({ ranked, match }: Candidate, request: TracedRequest): string | undefined {
  const { path } = ranked.rule;
  if (!matchesPath(path, request.path)) return `its path ${path.type} ${path.value} does not match`;
  const { method = 'GET', headers = [], params = [] } = request;
  if (match.method !== undefined && match.method !== method) return `it needs the method ${match.method}`;
  return (
    explainValues('header', match.headers, (name) => findValue(headers, name.toLowerCase(), true)) ??
    explainValues('parameter', match.params, (name) => findValue(params, name, false))
  );
}

type Pairs = readonly (readonly [name: string, value: string])[];

function findValue(pairs: Pairs, name: string, isHeader: boolean): string | undefined {
  return pairs.find(([own]) => (isHeader ? own.toLowerCase() : own) === name)?.[1];
}

function explainValues(
  what: string,
  conditions: readonly ValueMatch[] | undefined,
  find: (name: string) => string | undefined,
): string | undefined {
  for (const { name, type, value } of conditions ?? []) {
    const given = find(name);
    const isMet = given !== undefined && (type === 'exact' ? given === value : matchesPattern(value, given));
    if (isMet) continue;
    return `it needs the ${what} ${name}: ${type === 'regex' ? `~${value}` : value}${given === undefined ? '' : `, not ${given}`}`;
  }
  return undefined;
}

function matchesPath({ type, value }: RankedRule['rule']['path'], path: string): boolean {
  const plain = path.split('?', 1)[0] ?? '';
  if (type === 'exact') return plain === value;
  if (type === 'regex') return matchesPattern(value, plain);
  const prefix = value.replace(/\/+$/, '');
  return plain === prefix || plain.startsWith(`${prefix}/`);
}

/** Data planes accept only patterns whose cost is bounded. */
function matchesPattern(pattern: string, text: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`).test(text);
  } catch {
    // RE2 syntax that this engine does not support.
    return false;
  }
}

function explainLater(one: Candidate, chosen: Candidate | undefined): string {
  if (chosen !== undefined && chosen.site.host !== one.site.host) {
    return `the hostname ${chosen.site.host} is more specific`;
  }
  return 'an earlier match applies (exact or longer path, more conditions, older route)';
}

function listRefused({ gateway }: DesiredSites, id: ListenerId, host: string): RequestTrace['others'] {
  return gateway.refused
    .filter(({ request }) => request.listener === id && covers(requestPattern(request), host))
    .map(({ request, message }) => ({
      ...nameRequest(request),
      host: requestPattern(request),
      path: '',
      why: message,
    }));
}

function describeListener({ id, owner, port, addresses, hostname }: SiteListener): RequestTrace['listener'] {
  return {
    gateway: `${owner.meta.namespace}/${owner.meta.name}`,
    name: id.slice(id.lastIndexOf('/') + 1),
    port,
    addresses: [...addresses],
    ...(hostname !== undefined && { hostname }),
  };
}

function nameRequest({ owner: { kind, meta } }: SiteRequest): { kind: string; namespace: string; name: string } {
  return { kind, namespace: meta.namespace, name: meta.name };
}

function nameOf({ site, match, ranked }: Candidate): NonNullable<RequestTrace['route']> {
  const { path } = ranked.rule;
  return {
    ...nameRequest(site.request),
    host: site.host,
    path: path.value,
    rule: match.group,
    match: describeMatch(match, path),
  };
}

/** Describes a match on one line: `prefix /a, GET, header version=two`. */
function describeMatch({ method, headers = [], params = [] }: Match, path: RankedRule['rule']['path']): string {
  const show = ({ name, type, value }: ValueMatch) => `${name}${type === 'regex' ? '~' : '='}${value}`;
  return [
    `${path.type} ${path.value}`,
    ...(method === undefined ? [] : [method]),
    ...headers.map((one) => `header ${show(one)}`),
    ...params.map((one) => `parameter ${show(one)}`),
  ].join(', ');
}
