import type { Site, SitePath, SitePort } from './model.ts';
import { checkHost, checkPath, checkPrefixKey } from './quote.ts';

/**
 * Hosts and paths as keys of a map that HAProxy searches for the longest prefix (`map_beg`). A lookup
 * consists of host, path, `/` and {@link mark}, so a key that ends in `/` matches at a boundary:
 *
 * - path `/a` is the key `host/a/`: it matches `/a` and `/a/b`, but not `/ab`;
 * - path `/a/` does not match `/a` itself, which the same key would match; a second key, `host/a/` and
 *   the mark, matches exactly that request and has the value that applies without path `/a/`;
 * - an exact path `/a` is only the key `host/a/` and the mark;
 * - keys of a wildcard begin with `*.parent/`, and are looked up if no key of the host matches;
 * - keys for every host begin with `*` alone, and are looked up if the host has no key at all. A host without a path that
 *   matches everything therefore gets the key `host/` with the value {@link absent}. Otherwise the owner of a site
 *   for every host could answer for paths of hosts that belong to others, such as those of ACME challenges.
 */

/** Name of the access rules of a path without any. */
export const noRules = '-';

/**
 * Ends a lookup. Only the whole path precedes it: a request line of HTTP/1 cannot contain it, and frontends reject requests
 * of HTTP/2 that do.
 */
export const mark = '¶';

/** Value with the meaning: as if no key of this host matched. */
export const absent = '*';

/** Value with the meaning: a listener of a Gateway has this host, so no wildcard applies. */
export const ceded = '@';

/** Value that sends a plain request to the served paths of the wildcard, ignoring its redirects. */
export const onward = '~';

/** Route of paths whose access rules are not in force: they answer 503. */
export const closedRoute = 'closed||';

/** Prefix of the keys for a wildcard's served paths without its redirects, to which {@link onward} leads. */
export const servedOnly = '+';

/** A requested path: the path itself, or anything below it. */
interface RequestPath {
  readonly path: string;
  readonly exact: boolean;
}

/** Returns the value for a path, or undefined if its backend does not exist. Such paths are ignored. */
export type RouteOf = (path: SitePath) => string | undefined;

interface RoutedPath {
  readonly path: string;
  readonly exact: boolean;
  readonly plain: SitePath['plain'];
  readonly route: string;
}

/** Returns keys and values of one host for plain HTTP. Redirects begin with `redirect`. Throws {@link UnfitValue}. */
export function plainEntries(site: Site, routeOf: RouteOf): Map<string, string> {
  const paths = sortPaths(site, site.paths, routeOf);
  const served = paths.filter((each) => each.plain === 'serve');
  const [findDecider, findServed] = [indexPaths(paths), indexPaths(served)];
  const serve = (request: RequestPath): string | undefined => findServed(request)?.route;
  const entries = makeEntries(site.host, paths, (request) => {
    const decider = findDecider(request);
    if (decider === undefined) return absent;
    return decider.plain === 'redirect' ? decider.route : (serve(request) ?? onward);
  });
  noteHost(site, 'plain', entries);
  if (!site.host.startsWith('*.')) return entries;
  // The served paths of a wildcard with other redirects have separate keys; few wildcards have both.
  for (const [key, value] of makeEntries(site.host, served, (request) => serve(request) ?? absent)) {
    entries.set(`${servedOnly}${key}`, value);
  }
  return entries;
}

/** Returns keys and values of one host for TLS that ends here. Throws {@link UnfitValue}. */
export function secureEntries(site: Site, routeOf: RouteOf): Map<string, string> {
  const secure = site.paths.filter((each) => each.secure);
  const paths = sortPaths(site, secure, routeOf);
  const find = indexPaths(paths);
  const entries = makeEntries(site.host, paths, (request) => find(request)?.route ?? absent);
  noteHost(site, 'secure', entries);
  return entries;
}

/**
 * Returns keys and access rules of a host's paths. Of equal keys, one with rules counts. Throws {@link UnfitValue}.
 */
export function guardEntries({ host, guard }: Site): Map<string, string> {
  if (guard === undefined) return new Map();
  const fold = (path: string) => {
    const merged = path.replace(/\/\/+/g, '/');
    return guard.isCaseless ? merged.toLowerCase() : merged;
  };
  const sorted = guard.paths.toSorted(
    (one, other) => Number(one.rules === undefined) - Number(other.rules === undefined),
  );
  const texts = sorted.filter(({ type }) => type === 'text');
  const paths = sorted
    .filter(({ type }) => type !== 'text')
    .map(({ path, type, rules = noRules }): RoutedPath => {
      const isEvery = type === 'prefix' && /^\/*$/.test(path);
      return { path: isEvery ? '' : checkPath(fold(path)), exact: type === 'exact', plain: undefined, route: rules };
    });
  const find = indexPaths(paths);
  const entries = makeEntries(host, paths, (request) => find(request)?.route ?? noRules);
  for (const { path, rules } of texts) {
    const key = `${host}${checkPath(fold(path))}`;
    checkPrefixKey(key);
    if (rules !== undefined || !entries.has(key)) entries.set(key, rules ?? noRules);
  }
  return entries;
}

/** Records that a host exists, so that no site for every host answers for it. */
function noteHost({ host, ceded: ports = [] }: Site, port: SitePort, entries: Map<string, string>): void {
  const key = `${host}/`;
  if (host !== '*' && !entries.has(key)) entries.set(key, ports.includes(port) ? ceded : absent);
}

/**
 * Sorts paths, longest first. The first of equal paths counts. Prefixes that consist of slashes become the empty
 * path.
 */
function sortPaths(site: Site, paths: readonly SitePath[], routeOf: RouteOf): RoutedPath[] {
  checkHost(site.host);
  return paths
    .flatMap((each) => {
      const route = routeOf(each);
      const exact = each.exact === true;
      const path = !exact && /^\/*$/.test(each.path) ? '' : checkPath(each.path);
      return route === undefined ? [] : [{ path, exact, plain: each.plain, route }];
    })
    .sort((a, b) => b.path.length - a.path.length || (a.path === b.path ? 0 : a.path < b.path ? -1 : 1));
}

/**
 * Returns a function that finds the longest matching path. It looks up prefixes of the requested path, because a host
 * may have thousands of paths and each of them is requested.
 */
function indexPaths(paths: readonly RoutedPath[]): (request: RequestPath) => RoutedPath | undefined {
  const known = new Map<string, RoutedPath>();
  const whole = new Map<string, RoutedPath>();
  for (const each of paths) {
    const index = each.exact ? whole : known;
    if (!index.has(each.path)) index.set(each.path, each);
  }
  return ({ path, exact }) => {
    const equal = exact ? whole.get(path) : undefined;
    if (equal !== undefined) return equal;
    // A path with a final slash matches below itself; any other matches itself, and below at a slash.
    const below = known.get(`${path}/`);
    if (!exact && below !== undefined) return below;
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const itself = known.get(path.slice(0, end));
      const above = known.get(path.slice(0, path.lastIndexOf('/', end - 1) + 1));
      if (itself !== undefined) return itself;
      if (above !== undefined) return above;
    }
    return known.get('');
  };
}

function makeEntries(
  host: string,
  paths: readonly RoutedPath[],
  answer: (request: RequestPath) => string,
): Map<string, string> {
  const entries = new Map<string, string>();
  for (const { path, exact } of paths) {
    if (exact) {
      checkPrefixKey(`${servedOnly}${host}${path}/${mark}`);
      entries.set(`${host}${path}/${mark}`, answer({ path, exact }));
      continue;
    }
    const bare = path.endsWith('/') ? path.slice(0, -1) : path;
    checkPrefixKey(`${servedOnly}${host}${bare}/${mark}`);
    entries.set(`${host}${bare}/`, answer({ path: bare, exact: false }));
    if (bare !== path) entries.set(`${host}${bare}/${mark}`, answer({ path: bare, exact: true }));
  }
  return entries;
}
