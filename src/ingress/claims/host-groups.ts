import type { SiteRequest } from '../intent/site-request.ts';
import { isWildcard, parentOf } from './host.ts';

/**
 * Requests in groups that do not affect each other: those for one host or, if one of them is for a wildcard, those for
 * all hosts one label below its domain. A change of one request among 10,000 affects only the few of its group.
 */
export class HostGroups {
  readonly #groups = new Map<string, Set<SiteRequest>>();
  /** Requests by the domain above their host. */
  readonly #byParent = new Map<string, Set<SiteRequest>>();
  /** Number of requests for the names below a domain. */
  readonly #wildcards = new Map<string, number>();
  readonly #dirty = new Set<string>();

  add(request: SiteRequest): void {
    const parent = parentDomainOf(request);
    const isFirst = isWildcard(request) && parent !== undefined && (this.#wildcards.get(parent) ?? 0) === 0;
    if (isFirst) this.#regroup(parent, 1);
    else if (isWildcard(request) && parent !== undefined)
      this.#wildcards.set(parent, (this.#wildcards.get(parent) ?? 0) + 1);
    if (parent !== undefined) addTo(this.#byParent, parent, request);
    this.#put(request);
  }

  remove(request: SiteRequest): void {
    this.#take(request);
    const parent = parentDomainOf(request);
    if (parent === undefined) return;
    removeFrom(this.#byParent, parent, request);
    if (!isWildcard(request)) return;
    const count = (this.#wildcards.get(parent) ?? 0) - 1;
    if (count > 0) this.#wildcards.set(parent, count);
    else this.#regroup(parent, 0);
  }

  /** Marks a group as changed. */
  touch(name: string): void {
    this.#dirty.add(name);
  }

  /** Returns the groups that changed since the last call, by name, with their requests. Empty ones are gone. */
  takeDirty(): ReadonlyMap<string, ReadonlySet<SiteRequest>> {
    const dirty = new Map([...this.#dirty].map((name) => [name, this.#groups.get(name) ?? new Set<SiteRequest>()]));
    this.#dirty.clear();
    return dirty;
  }

  /** Moves the requests below a domain into one group, or apart again. */
  #regroup(parent: string, wildcards: number): void {
    const requests = [...(this.#byParent.get(parent) ?? [])];
    for (const request of requests) this.#take(request);
    if (wildcards === 0) this.#wildcards.delete(parent);
    else this.#wildcards.set(parent, wildcards);
    for (const request of requests) this.#put(request);
  }

  #put(request: SiteRequest): void {
    const name = this.#nameOf(request);
    addTo(this.#groups, name, request);
    this.#dirty.add(name);
  }

  #take(request: SiteRequest): void {
    const name = this.#nameOf(request);
    removeFrom(this.#groups, name, request);
    this.#dirty.add(name);
  }

  #nameOf(request: SiteRequest): string {
    // Only another request for these names can conflict with it, not the hosts below.
    if (request.span === 'labels') return `*.${request.host ?? ''}`;
    const parent = parentDomainOf(request);
    return parent !== undefined && this.#wildcards.has(parent) ? `*.${parent}` : (request.host ?? '');
  }
}

function parentDomainOf({ host, span }: SiteRequest): string | undefined {
  return host === undefined || span === 'labels' ? undefined : parentOf(host);
}

function addTo(sets: Map<string, Set<SiteRequest>>, key: string, request: SiteRequest): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([request]));
  else set.add(request);
}

function removeFrom(sets: Map<string, Set<SiteRequest>>, key: string, request: SiteRequest): void {
  const set = sets.get(key);
  set?.delete(request);
  if (set?.size === 0) sets.delete(key);
}
