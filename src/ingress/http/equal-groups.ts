import { isDeepStrictEqual } from 'node:util';
import type { Group } from '../intent/group.ts';
import type { Filters } from '../intent/match.ts';
import type { SiteDemand } from '../intent/site-request.ts';

/** Path and filters of the match that leads to a group. */
export interface GroupMatch {
  readonly path: string;
  readonly filters?: Filters;
}

/** Returns the path and filters of the match that leads to a group. */
export function findMatch({ matches, groups }: SiteDemand, index: number): GroupMatch {
  const own = groups[index]?.own;
  if (own !== undefined) return own;
  const match = matches.find(({ group }) => group === index);
  return match === undefined ? { path: '' } : { path: match.path.value, filters: match.filters };
}

/**
 * Makes a value for each group of a demand. Groups that differ in nothing but their paths get one value, because each
 * backend costs HAProxy time and memory.
 *
 * @param make is called with the group and its index
 */
export function mapGroups<T>(demand: SiteDemand, make: (group: Group, index: number) => T): readonly T[] {
  if (demand.groups.length < 2) return demand.groups.map(make);
  const made: Candidate<T>[] = [];
  const alike = new Map<string, Candidate<T>[]>();
  for (const [index, group] of demand.groups.entries()) {
    const { path, filters } = findMatch(demand, index);
    const isBound = filters?.rewriteTarget !== undefined || filters?.rewritePath !== undefined;
    const services = group.shares.map(({ service, servicePort = '' }) => `${service}:${servicePort}`);
    const key = `${services.join()} ${isBound ? path : ''}`;
    const { own: _, ...rest } = group;
    const content = { group: rest, filters };
    const earlier = alike.get(key) ?? [];
    const same = earlier.find((one) => isDeepStrictEqual(one.content, content));
    const candidate = same ?? { content, value: make(group, index) };
    if (same === undefined) alike.set(key, [...earlier, candidate]);
    made.push(candidate);
  }
  return made.map(({ value }) => value);
}

/** A made value, and everything that it depends on except for the path. */
interface Candidate<T> {
  readonly content: { readonly group: Omit<Group, 'own'>; readonly filters: Filters | undefined };
  readonly value: T;
}
