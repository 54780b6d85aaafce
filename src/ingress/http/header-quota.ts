import type { Filters } from '../intent/match.ts';
import type { SiteDemand, SiteOwner } from '../intent/site-request.ts';
import { listFilters } from './demand-filters.ts';

/** Maximum number of names of headers that the filters of a namespace change: HAProxy has rules for each name. */
const mostNames = 100;

/**
 * Limits the names of headers that the filters of each namespace change, because HAProxy evaluates the rules of all names
 * for requests of every tenant with unusual features.
 */
export class HeaderQuota {
  /** Number of demands by name, by namespace. */
  readonly #used = new Map<string, Map<string, number>>();
  readonly #claims = new Map<SiteDemand, { readonly namespace: string; readonly names: ReadonlySet<string> }>();

  /** Claims the names of a demand once. Returns why it is rejected, or undefined. */
  claim({ meta: { namespace } }: SiteOwner, demand: SiteDemand): string | undefined {
    if (this.#claims.has(demand)) return undefined;
    const names = new Set(listFilters(demand).flatMap(listNames));
    if (names.size === 0) return undefined;
    const used = this.#used.get(namespace) ?? new Map<string, number>();
    const added = [...names].filter((name) => !used.has(name)).length;
    if (used.size + added > mostNames)
      return `the filters of the namespace change more than ${mostNames} different headers; use fewer names`;
    for (const name of names) used.set(name, (used.get(name) ?? 0) + 1);
    this.#used.set(namespace, used);
    this.#claims.set(demand, { namespace, names });
    return undefined;
  }

  release(demand: SiteDemand): void {
    const claim = this.#claims.get(demand);
    if (claim === undefined) return;
    this.#claims.delete(demand);
    const used = this.#used.get(claim.namespace);
    for (const name of claim.names) {
      const left = (used?.get(name) ?? 0) - 1;
      if (left > 0) used?.set(name, left);
      else used?.delete(name);
    }
    if (used?.size === 0) this.#used.delete(claim.namespace);
  }
}

function listNames({ requestEdits, responseEdits }: Filters): readonly string[] {
  return [requestEdits, responseEdits].flatMap((edits) => {
    if (edits === undefined) return [];
    const { set, add, remove } = edits;
    return [...[...set, ...add].map(({ name }) => name), ...remove].map((name) => name.toLowerCase());
  });
}
