import { parentOf } from '../claims/host.ts';
import type { Backend, GuardedPath, PathGuard, Site, SiteGuard } from '../haproxy/model.ts';
import { guardEntries, mark, noRules } from '../haproxy/paths.ts';
import { nameRules } from './rule-name.ts';
import type { ServedSite } from './served-site.ts';
import { nameOf } from './sites.ts';

/** Guards of hosts, and the requests with backends that check them. */
export interface Guarded {
  readonly served: readonly ServedSite[];
  /** By name of the site. */
  readonly guards: ReadonlyMap<string, SiteGuard>;
}

/**
 * Protects hosts whose paths have different access rules, if their API normalizes paths: a request that spells a path
 * differently must not reach a less protected one. Other hosts remain as they are and cost nothing.
 */
export class PathGuards {
  /** Guarded backends, so that unchanged ones keep their identity. */
  readonly #known = new WeakMap<Backend, { readonly guard: string; readonly made: Backend }>();

  protect(served: readonly ServedSite[]): Guarded {
    const byHost = Map.groupBy(served, nameOf);
    const guards = new Map<string, SiteGuard>();
    for (const [host, sites] of byHost) {
      // A wildcard also serves the paths that a host below it does not.
      const above = host.startsWith('*') ? [] : (byHost.get(`*.${parentOf(host)}`) ?? []);
      if (!differ(sites, above)) continue;
      guards.set(host, makeGuard(sites));
      if (above.length > 0) guards.set(nameOf(above[0] as ServedSite), makeGuard(above));
    }
    if (guards.size === 0) return { served, guards };
    return { served: served.map((one) => this.#guard(one, guards.get(nameOf(one)))), guards };
  }

  #guard(site: ServedSite, guard: SiteGuard | undefined): ServedSite {
    if (guard === undefined) return site;
    const rules = nameRules(site.demand);
    const own = { host: nameOf(site), isCaseless: guard.isCaseless, ...(rules !== undefined && { rules }) };
    return { ...site, backends: site.backends.map((backend) => this.#guardBackend(backend, own)) };
  }

  #guardBackend(backend: Backend, guard: PathGuard): Backend {
    if (backend.mode !== 'http') return backend;
    const key = JSON.stringify(guard);
    const known = this.#known.get(backend);
    if (known?.guard === key) return known.made;
    const made = { ...backend, http: { ...backend.http, guard } };
    this.#known.set(backend, { guard: key, made });
    return made;
  }
}

/** Returns whether clients could avoid the access rules of a path by spelling it differently. */
function differ(sites: readonly ServedSite[], above: readonly ServedSite[]): boolean {
  if (!sites.some(({ demand }) => demand.spelling !== undefined && nameRules(demand) !== undefined)) return false;
  return new Set([...sites, ...above].map(({ demand }) => nameRules(demand))).size > 1;
}

function makeGuard(sites: readonly ServedSite[]): SiteGuard {
  return { isCaseless: sites.some(({ demand }) => demand.spelling === 'caseless'), paths: sites.flatMap(listPaths) };
}

function listPaths({ demand }: ServedSite): readonly GuardedPath[] {
  const rules = nameRules(demand);
  return demand.matches.map(({ path, covers }): GuardedPath => {
    const named = rules !== undefined && { rules };
    if (covers !== undefined && rules !== undefined) return { path: covers, type: 'text', ...named };
    if (path.type === 'exact') return { path: path.value, type: 'exact', ...named };
    return { path: path.type === 'element' ? path.value.replace(/\/+$/, '') : path.value, type: 'prefix', ...named };
  });
}

/**
 * Returns why a guarded backend rejects the path of a request, or undefined, as HAProxy decides: by bytes, and once
 * more without parameters of segments.
 */
export function findBreach(
  { sites }: { readonly sites: ReadonlyMap<string, Site> },
  host: string,
  path: string,
  guard: PathGuard | undefined,
): string | undefined {
  if (guard === undefined) return undefined;
  const decoded = decode(path);
  if (decoded === undefined) return 'the path contains "%" without two hexadecimal digits: 403';
  const merged = mergeSlashes(decoded);
  const meant = guard.isCaseless ? lowerAscii(merged) : merged;
  if (/\/\.\.?(?:;[^/]*)?(?:\/|$)/.test(meant)) return 'the path contains dot segments: 403';
  if (/[\0\\]/.test(meant) || meant.includes(markBytes)) return `the path contains NUL, a backslash or "${mark}": 403`;
  const names = guard.host.startsWith('*') ? [host, guard.host] : [guard.host];
  const spellings = meant.includes(';') ? [meant, mergeSlashes(meant.replace(/;[^/]*/g, ''))] : [meant];
  const isSame = spellings.every((spelling) => {
    const rules = names
      .map((name) => findRules(sites.get(name), `${name}${spelling}/${markBytes}`))
      .find((one) => one !== undefined);
    return rules === (guard.rules ?? noRules);
  });
  return isSame ? undefined : 'the normalized path has other access rules: 403';
}

function findRules(site: Site | undefined, asked: string): string | undefined {
  if (site === undefined) return undefined;
  const entries = guardEntries(site);
  const [longest] = [...entries.keys()]
    .filter((key) => asked.startsWith(toBytes(key)))
    .sort((one, other) => other.length - one.length);
  return longest === undefined ? undefined : entries.get(longest);
}

/** Returns a text with one character for each of its bytes, as HAProxy compares it. */
function toBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

const markBytes = toBytes(mark);

/** Decodes a path once, to one character per byte. Returns undefined if HAProxy cannot decode it. */
function decode(path: string): string | undefined {
  if (/%(?![\da-f]{2})/i.test(path)) return undefined;
  return toBytes(path).replace(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

function mergeSlashes(path: string): string {
  return path.replace(/\/\/+/g, '/');
}

function lowerAscii(path: string): string {
  return path.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
