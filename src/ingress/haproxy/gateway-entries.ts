import { hash } from 'node:crypto';
import { TooComplex } from './decision-graph.ts';
import { innerName } from './gateway-names.ts';
import type { InForce } from './layout.ts';
import type { MapName, Maps } from './maps.ts';
import { checkMapValue } from './quote.ts';
import { routeOf } from './route.ts';
import { answerSection, type ClientAuthorities, type Gateways, type TlsName, type VirtualHost } from './rule.ts';
import { checkKey, compileHost, type HostEntries } from './virtual-host.ts';

/** Map values of a name whose TLS the router terminates, and of one without a route. */
const ends = '-';
const rejects = '!';

/** Returns the entries of all listeners, part by part. */
export function* gatewayEntries(inForce: InForce): Iterable<Maps> {
  const { hosts, tlsNames, endedNames } = inForce.state.gateways;
  for (const key of hosts.keys()) yield hostEntries(inForce, key);
  for (const key of tlsNames.keys()) yield tlsNameEntries(inForce, key);
  for (const key of endedNames.keys()) yield endedNameEntries(inForce, key);
  yield clientEntries(inForce.state.gateways);
  yield placeEntries(inForce.state.gateways);
}

/** Returns the entries of a virtual host. Throws {@link UnfitValue}. */
export function hostEntries(inForce: InForce, key: string): Maps {
  const host = inForce.state.gateways.hosts.get(key);
  if (host === undefined) return new Map();
  const { names, paths, edges, patterns, redirects } = compile(host, inForce);
  return new Map<MapName, Map<string, string>>([
    ['names', names],
    ['sites', paths],
    ['edges', edges],
    ['patterns', patterns],
    ['redirects', redirects],
  ]);
}

function compile(host: VirtualHost, inForce: InForce): HostEntries {
  const find = (backend: string) => routeOf(inForce, backend);
  try {
    return compileHost(host, find);
  } catch (error) {
    if (!(error instanceof TooComplex)) throw error;
    // A rule whose backend is not ready yet leaves more to decide than a final one.
    return compileHost(host, (backend) => find(backend) ?? answerSection(503));
  }
}

/** Returns the entries of a name whose TLS the router has terminated. */
export function endedNameEntries(inForce: InForce, key: string): Maps {
  const to = inForce.state.gateways.endedNames.get(key)?.to;
  const isServed = typeof to === 'object' && 'backend' in to && inForce.state.backends.get(to.backend)?.mode === 'tcp';
  const route = isServed ? routeOf(inForce, to.backend) : undefined;
  return route === undefined ? new Map() : new Map([['ended-names', new Map([[key, route]])]]);
}

/** Returns the entries of a name in a ClientHello. */
export function tlsNameEntries(inForce: InForce, key: string): Maps {
  const name = inForce.state.gateways.tlsNames.get(key);
  if (name === undefined) return new Map();
  const { to } = checkTlsName(name);
  if (typeof to === 'object' && 'inner' in to) return new Map([['tls-names', new Map([[key, innerName(to.inner)]])]]);
  const isPassed = typeof to === 'object' && inForce.state.backends.get(to.backend)?.mode === 'tcp';
  const value = to === 'end' ? ends : ((isPassed ? routeOf(inForce, to.backend) : undefined) ?? rejects);
  return new Map([['tls-names', new Map([[key, value]])]]);
}

/** Returns the entries that lead from addresses and ports to places. */
export function placeEntries({ places, ports, inner }: Gateways): Maps {
  return new Map<MapName, Map<string, string>>([
    ['places', new Map(places)],
    ['ports', new Map(ports)],
    ['inner', new Map([...inner].map(([place, number]) => [place, innerName(number)]))],
  ]);
}

/** Returns the entries of frontends that verify client certificates: a digest of the scope and its authorities. */
export function clientEntries({ clients }: Pick<Gateways, 'clients'>): Maps {
  const digest = ({ scope, pem }: ClientAuthorities) => hash('sha256', `${scope}\n${pem}`).slice(0, 32);
  return new Map([['clients', new Map(Array.from(clients, ([number, one]) => [innerName(number), digest(one)]))]]);
}

/** Returns the valid part of the places. */
export function siftPlaces(gateways: Gateways): Gateways {
  const isPlace = (text: string): boolean => /^\d{1,5}@(?:\*|[\da-f.:]{1,45})$/.test(text);
  return {
    ...gateways,
    places: new Map([...gateways.places].filter(([at, place]) => isPlace(at) && isPlace(place))),
    ports: new Map([...gateways.ports].filter(([own, port]) => /^\d{1,5}$/.test(own) && /^\d{1,5}$/.test(port))),
    inner: new Map([...gateways.inner].filter(([place]) => isPlace(place))),
  };
}

/** Throws {@link UnfitValue}. */
export function checkTlsName(name: TlsName): TlsName {
  checkKey(name.key);
  if (typeof name.to === 'object' && 'backend' in name.to) checkMapValue('backend', name.to.backend);
  return name;
}
