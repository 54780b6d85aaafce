import type { HttpState, Passthrough, Site } from './model.ts';
import type { Target, TlsName, VirtualHost } from './rule.ts';
import { UserIndex } from './user-index.ts';

/** Hosts, names and virtual hosts by the backends to which they lead. */
export const siteUsers = new UserIndex<Site>(({ paths }) => new Set(paths.map(({ backend }) => backend)));
export const passthroughUsers = new UserIndex<Passthrough>(({ backend }) => [backend]);
export const hostUsers = new UserIndex<VirtualHost>(
  ({ rules }) => new Set(rules.flatMap(({ target }) => listBackends(target))),
);
export const nameUsers = new UserIndex<TlsName>(({ to }) =>
  typeof to === 'object' && 'backend' in to ? [to.backend] : [],
);

function listBackends(target: Target): readonly string[] {
  if (target.kind === 'split') return target.parts.flatMap((part) => listBackends(part.target));
  return target.kind === 'backend' ? [target.backend] : [];
}

/** Returns whether the same rules lead to a backend in both states, in any order. */
export function hasSameArrivals(before: HttpState, after: HttpState, id: string): boolean {
  return listArrivals(before, id).symmetricDifference(listArrivals(after, id)).size === 0;
}

/** Returns the rules that lead to a backend, one text each. */
function listArrivals({ sites, passthrough, gateways }: HttpState, id: string): Set<string> {
  const only = new Set([id]);
  const arrivals = new Set<string>();
  for (const host of siteUsers.find(sites, only)) {
    for (const { path, exact, backend } of sites.get(host)?.paths ?? [])
      if (backend === id) arrivals.add(JSON.stringify(['site', host, path, exact]));
  }
  for (const host of passthroughUsers.find(passthrough, only)) {
    if (passthrough.get(host)?.backend === id) arrivals.add(JSON.stringify(['passthrough', host]));
  }
  for (const key of hostUsers.find(gateways.hosts, only)) {
    for (const { path, conditions, target } of gateways.hosts.get(key)?.rules ?? [])
      if (listBackends(target).includes(id)) arrivals.add(JSON.stringify(['host', key, path, conditions]));
  }
  for (const names of [gateways.tlsNames, gateways.endedNames]) {
    for (const key of nameUsers.find(names, only)) {
      const to = names.get(key)?.to;
      if (typeof to === 'object' && 'backend' in to && to.backend === id) arrivals.add(JSON.stringify(['name', key]));
    }
  }
  return arrivals;
}
