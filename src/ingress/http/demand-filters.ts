import type { Filters } from '../intent/match.ts';
import type { SiteDemand } from '../intent/site-request.ts';

/** Returns all filters of a demand, without duplicates. */
export function listFilters({ matches, groups }: SiteDemand): readonly Filters[] {
  const all = new Set<Filters>();
  for (const { filters } of matches) all.add(filters);
  for (const { own } of groups) if (own !== undefined) all.add(own.filters);
  return [...all];
}
