import { type EndpointFinder, listIdled } from '../backends/endpoints.ts';
import { byAgeAndName } from '../claims/order.ts';
import type { Backend } from '../haproxy/model.ts';
import type { Condition, RedirectTarget, Rule, RulePath, Target } from '../haproxy/rule.ts';
import type { Group } from '../intent/group.ts';
import type { Filters, Match, PathMatch, ValueMatch } from '../intent/match.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { SiteDemand, SiteRequest } from '../intent/site-request.ts';

/** A rule with its origin, which determines precedence. */
export interface RankedRule {
  readonly rule: Rule;
  readonly request: SiteRequest;
  /** Position of its match in the request. */
  readonly index: number;
}

/** Returns the rules of a request, with the targets of its groups by index. */
export function makeRules(request: SiteRequest, targets: readonly Target[]): readonly RankedRule[] {
  if (!request.demand.ok) return [];
  return request.demand.value.matches.flatMap((match, index) => {
    const target = targetOf(match, targets);
    if (target === undefined) return [];
    return [{ request, index, rule: { path: pathOf(match.path), conditions: conditionsOf(match), target } }];
  });
}

function targetOf({ path, filters, group }: Match, targets: readonly Target[]): Target | undefined {
  if (filters.redirect === undefined) return targets[group];
  return { kind: 'redirect', redirect: redirectOf(path, filters.redirect) };
}

function redirectOf({ type, value }: PathMatch, redirect: NonNullable<Filters['redirect']>): RedirectTarget {
  const { path, ...rest } = redirect;
  if (path === undefined) return rest;
  const isPrefix = path.type === 'prefix' && (type === 'prefix' || type === 'element');
  return { ...rest, path: { value: path.value, ...(isPrefix && { from: value }) } };
}

function pathOf({ type, value }: PathMatch): RulePath {
  return { type: type === 'element' ? 'prefix' : type, value: value === '' ? '/' : value };
}

function conditionsOf({ method, headers = [], params = [] }: Match): readonly Condition[] {
  const make =
    (on: 'header' | 'param') =>
    ({ name, type, value }: ValueMatch): Condition => ({ on, name, type, value });
  return [
    ...(method === undefined ? [] : [{ on: 'method' as const, type: 'exact' as const, value: method }]),
    ...headers.map(make('header')),
    ...params.map(make('param')),
  ];
}

const rank = { exact: 0, regex: 1, prefix: 2 } as const;

/**
 * Compares rules by precedence (Gateway API, HTTPRouteRule): exact path, regular expression, longest prefix, method,
 * most headers, most parameters, oldest object, `NAMESPACE/NAME`, position in the object.
 */
export function byPrecedence(one: RankedRule, other: RankedRule): number {
  const [a, b] = [one.rule, other.rule];
  return (
    rank[a.path.type] - rank[b.path.type] ||
    lengthOf(b.path) - lengthOf(a.path) ||
    count(b, 'method') - count(a, 'method') ||
    count(b, 'header') - count(a, 'header') ||
    count(b, 'param') - count(a, 'param') ||
    compareOwners(one.request, other.request) ||
    one.index - other.index
  );
}

function lengthOf({ type, value }: RulePath): number {
  return type === 'prefix' ? value.replace(/\/+$/, '').length : value.length;
}

/** Returns the number of conditions with different names. */
function count({ conditions }: Rule, on: Condition['on']): number {
  const names = conditions.filter((one) => one.on === on).map((one) => ('name' in one ? nameOf(one) : ''));
  return new Set(names).size;
}

function nameOf({ on, name }: Extract<Condition, { name: string }>): string {
  return on === 'header' ? name.toLowerCase() : name;
}

function compareOwners({ owner: one }: SiteRequest, { owner: other }: SiteRequest): number {
  return one.meta.uid === other.meta.uid ? 0 : byAgeAndName(one, other);
}

/**
 * Returns the targets of the groups of a demand, by their index.
 *
 * @param backends of the groups, in their order
 * @param home namespace of the object
 */
export function makeTargets(
  { groups }: SiteDemand,
  backends: readonly Pick<Backend, 'id'>[],
  home: string,
  finder: EndpointFinder,
): readonly Target[] {
  const whole = groups.map((group, index): Target => {
    const { own } = group;
    if (own?.filters.redirect === undefined) return makeTarget(group, backends[index]?.id ?? '', home, finder);
    return { kind: 'redirect', redirect: redirectOf({ type: 'element', value: own.path }, own.filters.redirect) };
  });
  return groups.map(({ parts, errors }, index): Target => {
    const answer: Target = whole[index] ?? { kind: 'answer', status: errors?.invalid ?? 503 };
    if (parts === undefined) return answer;
    const used = parts.flatMap(({ weight, group }) => {
      const target = whole[group];
      return target === undefined || weight <= 0 ? [] : [{ weight, target }];
    });
    const [first] = used;
    if (first === undefined) return answer;
    return used.length === 1 ? first.target : { kind: 'split', parts: used };
  });
}

/** Returns the target of a group's requests. Its backend contains the shares with endpoints. */
function makeTarget(group: Group, backend: string, home: string, finder: EndpointFinder): Target {
  const target: Target = { kind: 'backend', backend };
  const { errors, shares, targetPort } = group;
  if (errors === undefined) return target;
  const weights = { served: 0, empty: 0, invalid: 0 };
  for (const share of shares) weights[stateOf(share, home, finder, targetPort)] += share.weight;
  const invalid: Target = { kind: 'answer', status: errors.invalid };
  const parts = [
    { weight: weights.served, target },
    { weight: weights.empty, target: { kind: 'answer', status: 503 } as const },
    { weight: weights.invalid, target: invalid },
  ].filter(({ weight }) => weight > 0);
  const [first] = parts;
  if (first === undefined) return invalid;
  return parts.length === 1 ? first.target : { kind: 'split', parts };
}

function stateOf(
  share: ServiceShare,
  home: string,
  finder: EndpointFinder,
  targetPort: Group['targetPort'],
): 'served' | 'empty' | 'invalid' {
  const service = finder.serviceOf(share, home);
  const { servicePort } = share;
  if (service === undefined || share.isForbidden === true) return 'invalid';
  const hasPort = service.ports.some(({ port, protocol }) => port === servicePort && protocol === 'tcp');
  if (servicePort !== undefined && !hasPort) return 'invalid';
  const choice = { protocol: 'tcp' as const, ...(targetPort !== undefined && { targetPort }) };
  const hasEndpoint =
    finder.find(share, home, choice).some(({ state }) => state !== 'unready') ||
    listIdled(finder, share, home, choice).length > 0;
  return hasEndpoint ? 'served' : 'empty';
}

/** Returns the names of a request as a pattern: a host, `*.` and a domain, or `*`. */
export function requestPattern({ host, span }: SiteRequest): string {
  if (span === 'all' || host === undefined) return '*';
  return span === 'labels' ? `*.${host}` : host;
}
