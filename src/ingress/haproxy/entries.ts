import { setImmediate as turn } from 'node:timers/promises';
import { cookieAttributes, featureEntries, ownAttributes } from './features.ts';
import { gatewayEntries } from './gateway-entries.ts';
import { innerName } from './gateway-names.ts';
import type { InForce } from './layout.ts';
import { type MapName, type Maps, mapNames } from './maps.ts';
import type { Certificate, SitePath } from './model.ts';
import { ceded, closedRoute, guardEntries, onward, plainEntries, secureEntries } from './paths.ts';
import { checkHost, checkMapValue } from './quote.ts';
import { routeOf } from './route.ts';
import { makeSection } from './section.ts';
import { verifiedEntries } from './verified-sites.ts';

/** Returns the entries of all maps for a state. Throws {@link UnfitValue}. */
export function allEntries(inForce: InForce): Maps {
  const steps = makeEntries(inForce);
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
}

/** Like {@link allEntries}, in short turns of the event loop: those of 10,000 hosts take a second. */
export async function allEntriesInTurns(inForce: InForce): Promise<Maps> {
  const steps = makeEntries(inForce);
  for (let begin = performance.now(); ; ) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() - begin < longestTurn) continue;
    await turn();
    begin = performance.now();
  }
}

/** Milliseconds. */
const longestTurn = 10;

/** Makes the entries part by part. */
function* makeEntries(inForce: InForce): Generator<undefined, Maps> {
  const maps: Maps = new Map(mapNames.map((name) => [name, new Map<string, string>()]));
  const merge = (part: ReadonlyMap<MapName, ReadonlyMap<string, string>>): undefined => {
    for (const [name, entries] of part) for (const [key, value] of entries) maps.get(name)?.set(key, value);
  };
  maps.set('cookie-attributes', new Map(cookieAttributes));
  const { state, layout } = inForce;
  for (const host of state.sites.keys()) yield merge(siteEntries(inForce, host));
  for (const host of new Set([...state.passthrough.keys(), ...state.sites.keys()]))
    yield merge(nameEntries(inForce, host));
  for (const certificate of state.certificates.values()) yield merge(certificateEntries(certificate));
  for (const part of gatewayEntries(inForce)) yield merge(part);
  for (const [id, section] of layout.sections) yield merge(backendEntries(inForce, id, section));
  return maps;
}

/** Returns the entries for the paths of a host. */
export function siteEntries(inForce: InForce, host: string): Maps {
  const site = inForce.state.sites.get(host);
  if (site === undefined) return new Map();
  const route = (path: SitePath, redirects: boolean): string | undefined => {
    // A passthrough host can be redirected to https, and takes precedence over a wildcard.
    const isPassed = inForce.state.backends.get(path.backend)?.mode === 'tcp';
    if (isPassed && (path.secure || path.plain === 'serve')) return undefined;
    const found = routeOf(inForce, path.backend, (redirects || isPassed) && (path.redirectStatus ?? true));
    return found ?? (path.isRestricted === true ? closedRoute : undefined);
  };
  const plain = plainEntries(site, (path) => route(path, path.plain === 'redirect'));
  const secure = secureEntries(site, (path) => route(path, false));
  const guarded = guardEntries(site);
  if (site.clients === undefined) {
    return new Map([
      ['plain', plain],
      ['secure', secure],
      ['guarded', guarded],
    ]);
  }
  return new Map<MapName, Map<string, string>>([
    ['guarded', guarded],
    ...verifiedEntries(site, site.clients, plain, secure),
  ]);
}

/**
 * Returns the entries for a name in a ClientHello: passthrough, or TLS that ends here or belongs to a listener of a Gateway
 * despite a passthrough wildcard.
 */
export function nameEntries(inForce: InForce, host: string): Maps {
  const { passthrough, sites, backends } = inForce.state;
  const own = passthrough.get(host);
  const backend = own === undefined ? undefined : backends.get(own.backend);
  if (own !== undefined && backend?.mode === 'tcp') {
    const route = routeOf(inForce, own.backend);
    return route === undefined ? new Map() : new Map([['passthrough', new Map([[checkHost(host), route]])]]);
  }
  const site = sites.get(host);
  if (site?.clients !== undefined && site.clients.inner > 0)
    return new Map([['passthrough', new Map([[checkHost(host), innerName(site.clients.inner)]])]]);
  const isCeded = site?.ceded?.includes('secure') === true;
  const isServed = isCeded || site?.paths.some((path) => path.secure) === true;
  const above = `*.${parentOf(host)}`;
  const isAbove = passthrough.has(above) || (sites.get(above)?.clients?.inner ?? 0) > 0;
  return isServed && !host.startsWith('*.') && isAbove
    ? new Map([['passthrough', new Map([[checkHost(host), isCeded ? ceded : onward]])]])
    : new Map();
}

/** Returns the entries for the hosts that HTTP/2 connections may carry. */
export function certificateEntries(certificate: Certificate): Maps {
  if (!certificate.http2 || certificate.inner !== undefined) return new Map();
  const hosts = certificate.hosts.map((host): [string, string] => [
    host.startsWith('*.') ? `*.${checkHost(host.slice(2))}` : checkHost(host),
    certificate.name,
  ]);
  return new Map([['http2', new Map(hosts)]]);
}

/** Returns the entries for the features of a backend in a section. */
export function backendEntries(inForce: InForce, id: string, section: string): Maps {
  const backend = inForce.state.backends.get(id);
  if (backend === undefined) return new Map();
  const maps: Maps = new Map(featureEntries(backend, section));
  const tenancy = section === id ? undefined : inForce.layout.tenancies.get(section);
  if (tenancy !== undefined) maps.set('tenancies', new Map([[section, String(tenancy.number)]]));
  const attributes = backend.mode === 'http' ? ownAttributes(backend) : undefined;
  if (attributes !== undefined) maps.set('cookie-attributes', new Map([[section, attributes]]));
  if (backend.mode === 'tcp' && backend.tenant !== undefined) {
    maps.set('tenants', new Map([[section, checkMapValue('tenants', backend.tenant)]]));
  }
  if (inForce.state.settings.log === undefined) return maps;
  // The log needs the names of sections and servers; without a log they are omitted.
  if (section !== id) maps.set('log-backends', new Map([[section, id]]));
  const servers = [...makeSection(backend, inForce.state.authorities).servers.values()];
  maps.set('log-servers', new Map(servers.map((server) => [`${section}/${server.name}`, server.id])));
  return maps;
}

/** Returns the parent domain of a host. */
export function parentOf(host: string): string {
  return host.slice(host.indexOf('.') + 1);
}
