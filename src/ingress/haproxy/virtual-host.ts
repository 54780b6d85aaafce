import { type Candidate, DecisionGraph, type GraphEntries, testsOf } from './decision-graph.ts';
import { mark } from './paths.ts';
import { checkHost, checkPath, checkPrefixKey, UnfitValue } from './quote.ts';
import type { Rule, Target, VirtualHost } from './rule.ts';

/** Map entries of a virtual host. */
export interface HostEntries extends GraphEntries {
  /** The name itself, for the search from exact hosts to wildcards. */
  readonly names: Map<string, string>;
  /** Keys for the longest prefix of host and path, with a route or a state. */
  readonly paths: Map<string, string>;
}

/** Returns the route of a target, or undefined if its backend does not exist yet. Such rules are ignored. */
export type RouteOfTarget = (target: Target) => string | undefined;

/**
 * Compiles a virtual host. Each path of its rules is a key, and its value decides between all rules whose path matches,
 * in their order. Throws {@link UnfitValue}, and `TooComplex` for too many conditions.
 *
 * @param notFound route of requests that no rule matches
 */
export function compileHost(host: VirtualHost, routeOf: RouteOfTarget, notFound: string): HostEntries {
  checkKey(host.key);
  const index = new RuleIndex(host.rules, routeOf);
  const graph = new DecisionGraph(host.key, notFound);
  const paths = new Map<string, string>();
  for (const { path, isExact } of index.places) {
    const key = `${host.key}${path}/${isExact ? mark : ''}`;
    checkPrefixKey(`${host.key}${path}/${mark}`);
    paths.set(key, graph.build(index.find(path, isExact)));
  }
  return { names: new Map([[host.key, '1']]), paths, ...graph.entries };
}

/** Rules by their path. */
class RuleIndex {
  /** Every path of a rule: a prefix has no final slash, and `/` is the empty path. */
  readonly places: { readonly path: string; readonly isExact: boolean }[] = [];
  readonly #exact = new Map<string, Candidate[]>();
  readonly #prefixes = new Map<string, Candidate[]>();

  constructor(rules: readonly Rule[], routeOf: RouteOfTarget) {
    for (const [index, rule] of rules.entries()) {
      const route = routeOf(rule.target);
      if (route === undefined) continue;
      const isExact = rule.path.type === 'exact';
      const path = rule.path.type === 'regex' ? '' : checkPath(isExact ? rule.path.value : toPrefix(rule.path.value));
      const map = isExact ? this.#exact : this.#prefixes;
      const candidate = { index, open: testsOf(rule), route };
      const same = map.get(path);
      if (same !== undefined) same.push(candidate);
      else {
        map.set(path, [candidate]);
        this.places.push({ path, isExact });
      }
    }
  }

  /** Returns the rules that match a path, in order of precedence. */
  find(path: string, isExact: boolean): readonly Candidate[] {
    const found: Candidate[] = isExact ? [...(this.#exact.get(path) ?? [])] : [];
    // Of an exact path, a final slash is not part of the prefix: `/a/` is below `/a`.
    for (let end = path.length; ; end = path.lastIndexOf('/', end - 1)) {
      found.push(...(this.#prefixes.get(path.slice(0, Math.max(0, end))) ?? []));
      if (end <= 0) break;
    }
    return found.sort((one, other) => one.index - other.index);
  }
}

/** Removes the final slashes of a prefix. */
function toPrefix(path: string): string {
  return path.replace(/\/+$/, '');
}

/** Checks `PLACE|HOST`. */
function checkKey(key: string): void {
  const [place, host = '', ...rest] = key.split('|');
  if (rest.length > 0 || !/^[\w.:*-]{1,80}$/.test(place ?? '')) throw new UnfitValue(`virtual host ${key}: bad place`);
  if (host !== '*') checkHost(host);
}
