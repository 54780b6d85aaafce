import type { Address } from '../../../base/model/address.ts';
import { type AddressRange, includesAddress } from '../../../base/model/address-range.ts';
import type { Protocol } from '../../../base/model/redirect.ts';
import type { IngressPort, WeightedEndpoint } from '../model.ts';
import { numberKeyOf } from '../port-number-key.ts';
import { PrefixTable } from './prefix-table.ts';

/** The relevant parts of a tracked connection to an open port. */
export interface TrackedConnection {
  readonly protocol: Protocol;
  /** The port and address to which the client connected. */
  readonly port: number;
  readonly destination: Address;
  /** The replying endpoint, `ADDRESS PORT`. */
  readonly endpoint: string;
  readonly established: boolean;
  readonly client: Address;
}

/** Treatment of a tracked connection. */
export type Verdict =
  | 'keep'
  /** Its endpoint was removed but may be finishing: deleted after the drain time. */
  | 'drain'
  /** Its next packet would be sent to an address that does not reply. */
  | 'forget';

/**
 * Decides which tracked connections are stale. Established TCP connections to a removed endpoint may continue for a
 * while. Half-open ones and UDP would be sent there forever. UDP leaves an endpoint without new connections as soon
 * as there is another one. Clients that the port's allow-list does not name may continue, unless `isStrict`.
 */
export function judgeConnections(
  ports: Iterable<IngressPort>,
  isStrict = false,
  virtual: readonly AddressRange[] = [],
): (connection: TrackedConnection) => Verdict {
  const wanted = new Map<number | string, IngressPort>();
  for (const port of ports) wanted.set(numberKeyOf(port), port);
  const findPort = openPortFinder(wanted, virtual);
  // Computed on demand, because most ports have no tracked connections.
  const known = new Map<IngressPort, Places>();
  return ({ protocol, port, destination, endpoint, established, client }) => {
    const open = findPort({ protocol, port }, destination);
    const places = open && (known.get(open) ?? listPlaces(open));
    if (open !== undefined && places !== undefined) known.set(open, places);
    if (isStrict && places?.allowed?.has(client) === false) return 'forget';
    if (places?.all.has(endpoint) === true) {
      const isIdle = places.active.size > 0 && !places.active.has(endpoint);
      return protocol === 'udp' && isIdle ? 'forget' : 'keep';
    }
    return protocol === 'tcp' && established ? 'drain' : 'forget';
  };
}

/** Endpoints of a port as `ADDRESS PORT`. */
interface Places {
  readonly all: ReadonlySet<string>;
  /** Endpoints that get new connections. */
  readonly active: ReadonlySet<string>;
  /** Networks of allowed clients. Absent: all. */
  readonly allowed?: PrefixTable;
}

function listPlaces({ endpoints, allowed }: IngressPort): Places {
  const place = ({ address, port }: WeightedEndpoint): string => `${address.text} ${port}`;
  return {
    all: new Set(endpoints.map(place)),
    active: new Set(endpoints.filter(({ weight }) => weight > 0).map(place)),
    ...(allowed !== undefined && { allowed: new PrefixTable(allowed) }),
  };
}

/**
 * Returns a function that finds the open port to which a client connected: at a virtual address the port of that
 * address, at any other one the port of that address or else of all addresses.
 *
 * @param ports by {@link numberKeyOf}
 */
export function openPortFinder(
  ports: ReadonlyMap<number | string, IngressPort>,
  virtual: readonly AddressRange[],
): (port: Pick<TrackedConnection, 'protocol' | 'port'>, destination: Address) => IngressPort | undefined {
  const placed = new Set(Array.from(ports.values(), ({ ofNode, address }) => (ofNode ? address?.text : undefined)));
  placed.delete(undefined);
  return (port, address) => {
    if (virtual.length > 0 && includesAddress(virtual, address)) return ports.get(numberKeyOf({ ...port, address }));
    const own = placed.has(address.text) ? ports.get(numberKeyOf({ ...port, address })) : undefined;
    return own ?? ports.get(numberKeyOf(port));
  };
}
