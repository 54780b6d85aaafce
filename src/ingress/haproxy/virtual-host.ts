import { type Candidate, DecisionGraph, type GraphEntries, testsOf } from './decision-graph.ts';
import { innerName } from './gateway-names.ts';
import { mark } from './paths.ts';
import { checkHost, checkMapValue, checkPath, checkPrefixKey, UnfitValue } from './quote.ts';
import { makeRedirect } from './redirects.ts';
import { answerSection, type Rule, type Target, type VirtualHost } from './rule.ts';

/** Map entries of a virtual host. */
export interface HostEntries extends GraphEntries {
  /** The name itself, for the search from exact hosts to wildcards. */
  readonly names: Map<string, string>;
  /** Keys for the longest prefix of host and path, with a route or a state. */
  readonly paths: Map<string, string>;
  readonly redirects: Map<string, string>;
}

/** Returns the route of a backend, or undefined if it does not exist yet. Rules that need it are ignored. */
export type RouteOfBackend = (backend: string) => string | undefined;

/**
 * Compiles a virtual host. Each path of its rules is a key, and its value decides between all rules whose path matches,
 * in their order. Throws {@link UnfitValue}, and `TooComplex` for too many conditions.
 */
export function compileHost(host: VirtualHost, routeOf: RouteOfBackend): HostEntries {
  checkKey(host.key);
  const graph = new DecisionGraph(host.key, answerSection(404));
  const redirects = new Map<string, string>();
  const routeOfTarget = (target: Target): string | undefined => {
    switch (target.kind) {
      case 'backend':
        return routeOf(target.backend);
      case 'answer':
        return answerSection(target.status);
      case 'split':
        return graph.split(
          target.parts.flatMap((part) => {
            const route = routeOfTarget(part.target);
            return route === undefined || part.weight <= 0 ? [] : [{ weight: part.weight, route }];
          }),
        );
      case 'redirect': {
        const { route, key, value } = makeRedirect(host.key, target.redirect);
        redirects.set(key, value);
        return route;
      }
    }
  };
  const index = new RuleIndex(host.rules, routeOfTarget);
  const paths = new Map<string, string>();
  for (const { path, isExact } of index.places) {
    const key = `${host.key}${path}/${isExact ? mark : ''}`;
    checkPrefixKey(`${host.key}${path}/${mark}`);
    paths.set(key, graph.build(index.find(path, isExact)));
  }
  const names = new Map([[host.key, checkMapValue('listener', listenerValue(host))]]);
  return { names, paths, redirects, ...graph.entries };
}

/** Returns the value of a name: the listener, after the inner frontend that the name requires. */
function listenerValue({ inner, listener }: VirtualHost): string {
  return inner === undefined ? listener : `${innerName(inner)}/${listener}`;
}

/**
 * Checks that a virtual host can be compiled, whichever of its backends exist. Rules with few conditions are not
 * compiled, because most hosts have none. Throws {@link UnfitValue}.
 */
export function checkHostRules(host: VirtualHost): void {
  checkKey(host.key);
  checkMapValue('listener', host.listener);
  for (const rule of host.rules) {
    const { path, target } = rule;
    if (path.type !== 'regex') checkPrefixKey(`${host.key}${checkPath(path.value)}/${mark}`);
    testsOf(rule);
    checkRedirects(host.key, target);
  }
  if (!isSimple(host.rules)) compileHost(host, (backend) => backend);
}

function checkRedirects(scope: string, target: Target): void {
  if (target.kind === 'redirect') makeRedirect(scope, target.redirect);
  if (target.kind === 'split') for (const part of target.parts) checkRedirects(scope, part.target);
}

/** Returns whether rules surely need few decisions: each is open, fulfilled or out, for few conditions. */
function isSimple(rules: readonly Rule[]): boolean {
  const tests = rules.map(({ path, conditions }) => conditions.length + (path.type === 'regex' ? 1 : 0));
  const conditional = tests.filter((count) => count > 0);
  return conditional.length <= 4 && conditional.reduce((sum, count) => sum + count, 0) <= 10;
}

/** Rules by their path. */
class RuleIndex {
  /** Every path of a rule: a prefix has no final slash, and `/` is the empty path. */
  readonly places: { readonly path: string; readonly isExact: boolean }[] = [];
  readonly #exact = new Map<string, Candidate[]>();
  readonly #prefixes = new Map<string, Candidate[]>();

  constructor(rules: readonly Rule[], routeOf: (target: Target) => string | undefined) {
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

/** Checks `PLACE|HOST`. Throws {@link UnfitValue}. */
export function checkKey(key: string): void {
  const [place, host = '', ...rest] = key.split('|');
  if (rest.length > 0 || !/^[\w.:@*-]{1,80}$/.test(place ?? '')) throw new UnfitValue(`virtual host ${key}: bad place`);
  if (host !== '*') checkHost(host);
}
