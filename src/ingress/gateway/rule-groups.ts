import type { Group } from '../intent/group.ts';
import type { Filters, Match, Mirror } from '../intent/match.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { RouteBackend } from './route.ts';
import { type RouteRule, replacesPrefix, type SiteRoute } from './site-route.ts';

/** Returns backends as shares, and marks those that the route may not use. */
export type Permit = (backends: readonly RouteBackend[]) => readonly ServiceShare[];

/**
 * Groups of a route's rules. The group of a rule has the rule's index. More groups follow for backends with filters of
 * their own, and for each further path whose prefix is replaced.
 */
export class RuleGroups {
  readonly list: Group[];
  readonly #kind: SiteRoute['kind'];
  readonly #permit: Permit;

  /** @param count number of rules */
  constructor(kind: SiteRoute['kind'], count: number, permit: Permit) {
    this.#kind = kind;
    this.#permit = permit;
    this.list = Array.from({ length: count }, () => this.#group([]));
  }

  /** Adds the groups of a rule and returns its matches. */
  add(rule: RouteRule, index: number): readonly Match[] {
    const { matches, own } = rule;
    const filters = this.#resolve(rule.filters);
    const hasPrefix = [filters, ...(own?.values() ?? [])].some(replacesPrefix);
    const byPath = new Map<string, number>();
    return matches.map((conditions): Match => {
      const path = hasPrefix ? conditions.path.value : '';
      const known = byPath.get(path) ?? this.#place(rule, filters, path, byPath.size === 0 ? index : undefined);
      byPath.set(path, known);
      return { ...conditions, filters, group: known };
    });
  }

  /** Adds the group of a rule for a path, at an index or behind all others, and returns its index. */
  #place(rule: RouteRule, filters: Filters, path: string, index = this.list.push(this.#group([])) - 1): number {
    const { backends, own, exchange, isBroken } = rule;
    if (isBroken === true) return index;
    const shares = this.#permit(backends);
    const group = (some: readonly ServiceShare[]): Group => ({
      ...this.#group(some),
      ...(exchange !== undefined && { exchange }),
    });
    if (own === undefined) {
      this.list[index] = group(shares);
      return index;
    }
    const add = (some: readonly ServiceShare[], each: Filters) => ({
      weight: some.reduce((sum, { weight }) => sum + weight, 0),
      group: this.list.push({ ...group(some), own: { path, filters: each } }) - 1,
    });
    const usual = shares.filter((_, position) => !own.has(position));
    const parts = [
      ...(usual.length === 0 ? [] : [add(usual, filters)]),
      ...Array.from(own, ([position, each]) => add(shares.slice(position, position + 1), this.#resolve(each))),
    ];
    this.list[index] = { ...this.#group([]), parts };
    return index;
  }

  #group(shares: readonly ServiceShare[]): Group {
    return {
      shares,
      // gRPC maps 503 to UNAVAILABLE, and 500 to UNKNOWN.
      errors: { invalid: this.#kind === 'GRPCRoute' ? 503 : 500 },
      // Other balancing algorithms do not respect weights.
      ...(shares.length > 1 && { balance: 'roundrobin' }),
      ...(this.#kind === 'GRPCRoute' && { isH2c: true }),
    };
  }

  /** Removes the mirrors that the route may not use, and those that a policy allows to receive TLS only. */
  #resolve(filters: Filters): Filters {
    if (filters.mirrors === undefined) return filters;
    const mirrors = filters.mirrors.flatMap(({ share, ...part }): Mirror[] => {
      const [permitted] = this.#permit([share]);
      if (permitted === undefined || permitted.isForbidden === true || permitted.tls !== undefined) return [];
      return [{ ...part, share: permitted }];
    });
    return { ...filters, mirrors };
  }
}
