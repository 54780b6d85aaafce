import type { Route } from '../route/route.ts';
import { hostOf, parentOf } from './host.ts';
import type { HostClaimPolicy } from './hosts.ts';

/**
 * Groups of Routes that can affect each other: those of one host or, if there is a wildcard, those of all hosts one
 * label below its domain. A changed Route among 10,000 is decided together with its group only.
 */
export class HostGroups {
  readonly #policy: HostClaimPolicy;
  readonly #groups = new Map<string, Set<Route>>();
  /** Routes by the parent domain of their host. */
  readonly #byParent = new Map<string, Set<Route>>();
  /** Number of Routes that request the names below a domain. */
  readonly #wildcards = new Map<string, number>();
  readonly #dirty = new Set<string>();

  constructor(policy: HostClaimPolicy) {
    this.#policy = policy;
  }

  add(route: Route): void {
    const parent = this.#parentOf(route);
    const isFirst = isWildcard(route) && parent !== undefined && (this.#wildcards.get(parent) ?? 0) === 0;
    if (isFirst) this.#regroup(parent, 1);
    else if (isWildcard(route) && parent !== undefined)
      this.#wildcards.set(parent, (this.#wildcards.get(parent) ?? 0) + 1);
    if (parent !== undefined) addTo(this.#byParent, parent, route);
    this.#put(route);
  }

  remove(route: Route): void {
    this.#take(route);
    const parent = this.#parentOf(route);
    if (parent === undefined) return;
    removeFrom(this.#byParent, parent, route);
    if (!isWildcard(route)) return;
    const count = (this.#wildcards.get(parent) ?? 0) - 1;
    if (count > 0) this.#wildcards.set(parent, count);
    else this.#regroup(parent, 0);
  }

  /** Marks a group as changed. */
  touch(name: string): void {
    this.#dirty.add(name);
  }

  /** Returns the groups changed since the last call, by name, with their Routes. An empty group was removed. */
  takeDirty(): ReadonlyMap<string, ReadonlySet<Route>> {
    const dirty = new Map([...this.#dirty].map((name) => [name, this.#groups.get(name) ?? new Set<Route>()]));
    this.#dirty.clear();
    return dirty;
  }

  /** Merges the Routes below a domain into one group, or separates them again. */
  #regroup(parent: string, wildcards: number): void {
    const routes = [...(this.#byParent.get(parent) ?? [])];
    for (const route of routes) this.#take(route);
    if (wildcards === 0) this.#wildcards.delete(parent);
    else this.#wildcards.set(parent, wildcards);
    for (const route of routes) this.#put(route);
  }

  #put(route: Route): void {
    const name = this.#nameOf(route);
    addTo(this.#groups, name, route);
    this.#dirty.add(name);
  }

  #take(route: Route): void {
    const name = this.#nameOf(route);
    removeFrom(this.#groups, name, route);
    this.#dirty.add(name);
  }

  #nameOf(route: Route): string {
    const parent = this.#parentOf(route);
    return parent !== undefined && this.#wildcards.has(parent) ? `*.${parent}` : (hostOf(route, this.#policy) ?? '');
  }

  #parentOf(route: Route): string | undefined {
    if (!this.#policy.allowsWildcards) return undefined;
    const host = hostOf(route, this.#policy);
    return host === undefined ? undefined : parentOf(host);
  }
}

function isWildcard({ http }: Route): boolean {
  return http.ok && http.value.isWildcard;
}

function addTo(sets: Map<string, Set<Route>>, key: string, route: Route): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([route]));
  else set.add(route);
}

function removeFrom(sets: Map<string, Set<Route>>, key: string, route: Route): void {
  const set = sets.get(key);
  set?.delete(route);
  if (set?.size === 0) sets.delete(key);
}
