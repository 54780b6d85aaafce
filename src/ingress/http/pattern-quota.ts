import type { SiteDemand, SiteOwner } from '../intent/site-request.ts';

/** Maximum number of regular expressions of a namespace: HAProxy compares a request with all of them in turn. */
const mostPatterns = 100;

/** Limits the regular expressions of each namespace, because they delay requests for hosts of others. */
export class PatternQuota {
  readonly #used = new Map<string, number>();
  readonly #claims = new Map<SiteDemand, { readonly namespace: string; readonly count: number }>();

  /** Claims the patterns of a demand once. Returns why it is rejected, or undefined. */
  claim({ meta: { namespace } }: SiteOwner, demand: SiteDemand): string | undefined {
    if (this.#claims.has(demand)) return undefined;
    const count = countPatterns(demand);
    if (count === 0) return undefined;
    const used = (this.#used.get(namespace) ?? 0) + count;
    if (used > mostPatterns)
      return `the namespace has more than ${mostPatterns} regular expressions; use exact values and prefixes`;
    this.#used.set(namespace, used);
    this.#claims.set(demand, { namespace, count });
    return undefined;
  }

  release(demand: SiteDemand): void {
    const claim = this.#claims.get(demand);
    if (claim === undefined) return;
    this.#claims.delete(demand);
    const left = (this.#used.get(claim.namespace) ?? 0) - claim.count;
    if (left > 0) this.#used.set(claim.namespace, left);
    else this.#used.delete(claim.namespace);
  }
}

function countPatterns({ matches }: SiteDemand): number {
  return matches.reduce((sum, { path, headers = [], params = [] }) => {
    const conditions = [...headers, ...params].filter(({ type }) => type === 'regex').length;
    return sum + conditions + (path.type === 'regex' ? 1 : 0);
  }, 0);
}
