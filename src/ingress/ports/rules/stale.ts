import type { Address } from '../../../base/model/address.ts';
import { type Protocol, protocolNumbers } from '../../../base/model/redirect.ts';
import type { IngressPort, WeightedEndpoint } from '../model.ts';
import { PrefixTable } from './prefix-table.ts';

/** The relevant parts of a tracked connection to an open port. */
export interface TrackedConnection {
  readonly protocol: Protocol;
  /** The node's port. */
  readonly port: number;
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
): (connection: TrackedConnection) => Verdict {
  const wanted = new Map<number, IngressPort>();
  for (const port of ports) wanted.set(keyOf(port), port);
  // Computed on demand, because most ports have no tracked connections.
  const known = new Map<IngressPort, Places>();
  return ({ protocol, port, endpoint, established, client }) => {
    const open = wanted.get(keyOf({ protocol, port }));
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

function keyOf({ protocol, port }: { readonly protocol: Protocol; readonly port: number }): number {
  return protocolNumbers[protocol] * 0x10000 + port;
}
