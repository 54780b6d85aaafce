// A separate codec, because loading the package's takes too long for an ADD: README.md.
import type { AttrStream } from 'netlink/dist/structs.js';
import { defaultPrefix, type Family } from '../../model/address.ts';
import type { Route, RouteScope } from '../../model/network.ts';
import {
  familyNumber,
  familyOf,
  littleEndian,
  pushAddress,
  pushNumber,
  readAddress,
  readAttributes,
  readNumber,
} from './attributes.ts';
import { flag, type NetlinkReply, type NetlinkSocket } from './socket.ts';

const type = { newRoute: 24, deleteRoute: 25, getRoute: 26 } as const;
const attribute = {
  destination: 1,
  outgoing: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  cacheInfo: 12,
  table: 15,
} as const;
const known: ReadonlySet<number> = new Set(Object.values(attribute));
const routeTypes = { unicast: 1, unreachable: 7 } as const;
const scopes: Readonly<Record<RouteScope, number>> = { universe: 0, link: 253, host: 254 };
const onlinkFlag = 4;
const clonedFlag = 0x200;
const headerLength = 12;
const localTable = 255;

/** Translates between names and indexes of links: our routes contain names, the kernel's contain indexes. */
export interface LinkNames {
  nameOf(index: number): string | undefined;
  /** Throws if there is no such link. */
  indexOf(name: string): number;
}

/** Selects routes. The kernel filters, so a full Internet routing table on the node costs nothing. */
export interface RouteFilter {
  readonly table?: number;
}

/** Returns unicast and unreachable routes of every table except `local`. Throws {@link NetlinkError}. */
export function listRoutes(socket: NetlinkSocket, family: Family, names: LinkNames, filter: RouteFilter = {}): Route[] {
  return (
    socket
      .request(type.getRoute, flag.dump, (out) => {
        const header = Buffer.alloc(headerLength);
        header[0] = familyNumber(family);
        out.emit(header);
        if (filter.table !== undefined) pushNumber(out, attribute.table, filter.table);
      })
      .flatMap((reply) => parseRoute(reply, names))
      // A kernel without IPv6 replies with the routes of all families.
      .filter((route) => route.family === family)
  );
}

/**
 * Adds a route. Throws {@link NetlinkError} (`EEXIST`: there is a route with this destination and metric; without a
 * gateway only if it also has the same link, because two routers may share a gateway and each needs its own route to
 * it).
 */
export function addRoute(socket: NetlinkSocket, route: Route, names: LinkNames): void {
  const beside = route.family === 4 ? flag.append : 0;
  socket.request(type.newRoute, flag.create | (route.gateway === undefined ? beside : flag.exclusive), (out) =>
    writeRoute(out, route, names),
  );
}

/** Deletes the route with all these attributes. Throws {@link NetlinkError} (`ESRCH`: it does not exist). */
export function deleteRoute(socket: NetlinkSocket, route: Route, names: LinkNames): void {
  socket.request(type.deleteRoute, 0, (out) => writeRoute(out, route, names));
}

function writeRoute(out: AttrStream, route: Route, names: LinkNames): void {
  const header = Buffer.alloc(headerLength);
  header[0] = familyNumber(route.family);
  header[1] = route.destination.length;
  header[4] = route.table < 256 ? route.table : 0;
  header[5] = route.protocol;
  header[6] = scopes[route.scope];
  header[7] = routeTypes[route.type];
  new DataView(header.buffer, header.byteOffset).setUint32(8, route.onlink ? onlinkFlag : 0, littleEndian);
  out.emit(header);
  if (route.destination.length > 0) pushAddress(out, attribute.destination, route.destination.address);
  pushNumber(out, attribute.table, route.table);
  if (route.gateway !== undefined) pushAddress(out, attribute.gateway, route.gateway);
  if (route.link !== undefined) pushNumber(out, attribute.outgoing, names.indexOf(route.link));
  if (route.source !== undefined) pushAddress(out, attribute.preferredSource, route.source);
  if (route.metric !== undefined) pushNumber(out, attribute.priority, route.metric);
  for (const [number, bytes] of route.others ?? []) out.push(number, Buffer.from(bytes, 'hex'));
}

function parseRoute({ data }: NetlinkReply, names: LinkNames): Route[] {
  const family = familyOf(data[0]);
  const routeType = data[7] === routeTypes.unreachable ? 'unreachable' : 'unicast';
  if (family === undefined || data[7] !== routeTypes[routeType]) return [];
  const flags = new DataView(data.buffer, data.byteOffset, headerLength).getUint32(8, littleEndian);
  const attributes = readAttributes(data.subarray(headerLength));
  const table = readNumber(attributes, attribute.table) ?? data[4] ?? 0;
  if (table === localTable || (flags & clonedFlag) !== 0) return [];
  const destination = readAddress(attributes, attribute.destination);
  const gateway = readAddress(attributes, attribute.gateway);
  const source = readAddress(attributes, attribute.preferredSource);
  const outgoing = readNumber(attributes, attribute.outgoing);
  const link = outgoing === undefined || routeType === 'unreachable' ? undefined : names.nameOf(outgoing);
  const metric = readNumber(attributes, attribute.priority);
  const others = [...attributes]
    .filter(([number]) => !known.has(number) && keptAttributes.has(number))
    .map(([number, bytes]) => [number, bytes.toString('hex')] as const);
  return [
    {
      family,
      table,
      type: routeType,
      destination: destination === undefined ? defaultPrefix(family) : { address: destination, length: data[1] ?? 0 },
      scope: parseScope(data[6]),
      protocol: data[5] ?? 0,
      onlink: (flags & onlinkFlag) !== 0,
      ...(gateway === undefined ? {} : { gateway }),
      ...(link === undefined ? {} : { link }),
      ...(source === undefined ? {} : { source }),
      ...(metric === undefined ? {} : { metric }),
      ...(others.length === 0 ? {} : { others }),
    },
  ];
}

/**
 * RTA_METRICS (MTU, window, …), RTA_MULTIPATH, RTA_PREF, RTA_ENCAP_TYPE, RTA_ENCAP, RTA_VIA: attributes that are
 * preserved when a route is restored.
 */
const keptAttributes: ReadonlySet<number> = new Set([8, 9, 18, 20, 21, 22]);

function parseScope(value: number | undefined): RouteScope {
  return value === scopes.link ? 'link' : value === scopes.host ? 'host' : 'universe';
}
