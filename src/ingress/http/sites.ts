import { isDeepStrictEqual } from 'node:util';
import { isWildcard, parentOf } from '../claims/host.ts';
import type { Passthrough, Site, SiteClients, SiteGuard, SitePath, SitePort } from '../haproxy/model.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import { nameRules } from './rule-name.ts';
import type { ServedSite } from './served-site.ts';

/** HAProxy's form of every name. */
export const everyHost = '*';

/** Returns the host of a request in HAProxy's form: `*.example.com` for names one label below. */
export function nameOf({ host, request }: Pick<ServedSite, 'host' | 'request'>): string {
  if (request.span === 'all') return everyHost;
  return isWildcard(request) ? `*.${parentOf(host) ?? host}` : host;
}

/** Returns the sites of requests. Equal sites reuse the previous objects. */
export function makeSites(
  served: readonly ServedSite[],
  before: ReadonlyMap<string, Site> | undefined,
  guards: ReadonlyMap<string, SiteGuard> = new Map(),
): readonly Site[] {
  const paths = new Map<string, SitePath[]>();
  for (const one of served) {
    const host = nameOf(one);
    const list = paths.get(host);
    if (list === undefined) paths.set(host, listPaths(one));
    else list.push(...listPaths(one));
  }
  const verified = new Set(served.flatMap((one) => (one.demand.tls?.clients === undefined ? [] : [nameOf(one)])));
  return Array.from(paths, ([host, list]) => {
    const guard = guards.get(host);
    const hasClients = verified.has(host);
    const site = {
      host,
      paths: hasClients ? list.map(redirectPlain) : list,
      ...(guard !== undefined && { guard }),
      ...(hasClients && { clients: unassigned }),
    };
    const known = before?.get(host);
    return known !== undefined && isSame(known, site) ? known : site;
  });
}

/** Until the host has a frontend. */
const unassigned: SiteClients = { inner: 0, mode: 'required' };

/** Without TLS, clients have no certificate. */
function redirectPlain(path: SitePath): SitePath {
  return path.plain === 'serve' ? { ...path, plain: 'redirect', redirectStatus: 308 } : path;
}

function listPaths({ demand, backends }: ServedSite): SitePath[] {
  const { matches, tls } = demand;
  const isRestricted = nameRules(demand) !== undefined;
  const plain =
    tls === undefined || tls.plain === 'serve' ? 'serve' : tls.plain === 'redirect' ? 'redirect' : undefined;
  return matches.flatMap(({ path, group }) => {
    const backend = backends[group];
    if (backend === undefined) return [];
    const target = {
      secure: tls?.end === 'router',
      backend: backend.id,
      ...(isRestricted && { isRestricted: true as const }),
    };
    return [
      {
        path: path.type === 'element' ? path.value.replace(/\/+$/, '') : path.value,
        ...(path.type === 'exact' && { exact: true as const }),
        ...(plain !== undefined && { plain }),
        ...(plain === 'redirect' && tls?.redirectStatus !== undefined && { redirectStatus: tls.redirectStatus }),
        ...target,
      },
    ];
  });
}

/**
 * Returns sites without paths for hosts that requests at listeners of Gateways have claimed on the router's own ports, if
 * a wildcard above would otherwise answer for them. Equal sites reuse the previous objects.
 *
 * @param portOf returns the port that a request shares with Routes
 */
export function makeCeded(
  served: readonly ServedSite[],
  portOf: (request: SiteRequest) => SitePort | undefined,
  wildcards: ReadonlySet<string>,
  before: ReadonlyMap<string, Site> | undefined,
): readonly Site[] {
  const ports = new Map<string, Set<SitePort>>();
  for (const { request } of served) {
    const port = request.span === 'host' ? portOf(request) : undefined;
    const { host } = request;
    if (port === undefined || host === undefined || !wildcards.has(`*.${parentOf(host)}`)) continue;
    ports.set(host, (ports.get(host) ?? new Set()).add(port));
  }
  return Array.from(ports, ([host, own]): Site => {
    const site = { host, paths: [], ceded: [...own].sort() };
    const known = before?.get(host);
    return known !== undefined && isSame(known, site) ? known : site;
  });
}

/** Returns the passthrough hosts. Equal ones reuse the previous objects. */
export function makePassthrough(
  served: readonly ServedSite[],
  before: ReadonlyMap<string, Passthrough> | undefined,
): readonly Passthrough[] {
  return served.flatMap((one) => {
    const [backend] = one.backends;
    if (one.demand.tls?.end !== 'endpoint' || backend === undefined) return [];
    const host = nameOf(one);
    const known = before?.get(host);
    return [known?.backend === backend.id ? known : { host, backend: backend.id }];
  });
}

function isSame(one: Site, other: Site): boolean {
  const { paths: before, ceded: ports = [] } = one;
  const { paths: now, ceded: others = [] } = other;
  return (
    ports.join() === others.join() &&
    isDeepStrictEqual(one.guard, other.guard) &&
    isDeepStrictEqual(one.clients, other.clients) &&
    before.length === now.length &&
    before.every((one, index) => {
      const other = now[index];
      return (
        one.path === other?.path &&
        one.redirectStatus === other.redirectStatus &&
        one.exact === other.exact &&
        one.isRestricted === other.isRestricted &&
        one.backend === other.backend &&
        one.plain === other.plain &&
        one.secure === other.secure
      );
    })
  );
}
