import type { Site, SitePath } from './model.ts';
import { checkHost, checkPath, checkPrefixKey } from './quote.ts';

/**
 * Hosts and paths as keys of a map that HAProxy searches for the longest prefix (`map_beg`). What is
 * looked up is host, path, `/` and {@link mark}, so that a key that ends in `/` matches at a boundary:
 *
 * - path `/a` is the key `host/a/`: found by `/a` and `/a/b`, not by `/ab`;
 * - path `/a/` does not hold for `/a` itself, which would be found by the same key; a second key,
 *   `host/a/` and the mark, catches exactly that request and has the answer without path `/a/`;
 * - a wildcard's keys begin with `*.parent/`, and are looked up where the host has no key that matches.
 */

/** Ends what is looked up. No request line can hold it, so that only the whole path is before it. */
export const mark = '¶';

/** The answer that says: as if this host had no key that matches. */
export const absent = '*';

/** The answer that sends a plain request to the wildcard's served paths, whatever redirects it has. */
export const onward = '~';

/** Before the keys of a wildcard's served paths without its redirects, where {@link onward} leads. */
export const servedOnly = '+';

/** A path that was asked for: itself, or whatever is below it. */
interface RequestPath {
  readonly path: string;
  readonly exact: boolean;
}

/** Says the value for a path, or undefined where its backend is not there: such paths do not count. */
export type RouteOf = (path: SitePath) => string | undefined;

interface RoutedPath {
  readonly path: string;
  readonly plain: SitePath['plain'];
  readonly route: string;
}

/** Keys and values of one host for requests over plain HTTP; redirects have `redirect` before. Throws {@link UnfitValue}. */
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
  if (!site.host.startsWith('*.')) return entries;
  // The served paths of a wildcard whose redirects differ are looked up apart; few wildcards have both.
  for (const [key, value] of makeEntries(site.host, served, (request) => serve(request) ?? absent)) {
    entries.set(`${servedOnly}${key}`, value);
  }
  return entries;
}

/** Keys and values of one host for requests over TLS that ends here. Throws {@link UnfitValue}. */
export function secureEntries(site: Site, routeOf: RouteOf): Map<string, string> {
  const secure = site.paths.filter((each) => each.secure);
  const paths = sortPaths(site, secure, routeOf);
  const find = indexPaths(paths);
  return makeEntries(site.host, paths, (request) => find(request)?.route ?? absent);
}

/** Longest first; paths of slashes only are the empty path. */
function sortPaths(site: Site, paths: readonly SitePath[], routeOf: RouteOf): RoutedPath[] {
  checkHost(site.host);
  return paths
    .flatMap((each) => {
      const route = routeOf(each);
      const path = /^\/*$/.test(each.path) ? '' : checkPath(each.path);
      return route === undefined ? [] : [{ path, plain: each.plain, route }];
    })
    .sort((a, b) => b.path.length - a.path.length || (a.path < b.path ? -1 : 1));
}

/**
 * Finds the longest path that holds for a request, by the beginnings of what is asked for: a host may have
 * thousands of paths, each of which is asked for.
 */
function indexPaths(paths: readonly RoutedPath[]): (request: RequestPath) => RoutedPath | undefined {
  const known = new Map<string, RoutedPath>();
  for (const each of paths) if (!known.has(each.path)) known.set(each.path, each);
  return ({ path, exact }) => {
    // A path that ends in a slash holds below itself; any other for itself, and below at a slash.
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
  for (const { path } of paths) {
    const bare = path.endsWith('/') ? path.slice(0, -1) : path;
    checkPrefixKey(`${servedOnly}${host}${bare}/${mark}`);
    entries.set(`${host}${bare}/`, answer({ path: bare, exact: false }));
    if (bare !== path) entries.set(`${host}${bare}/${mark}`, answer({ path: bare, exact: true }));
  }
  return entries;
}
