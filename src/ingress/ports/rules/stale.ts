import type { Address } from '../../../base/model/address.ts';
import { type Protocol, protocolNumbers } from '../../../base/model/redirect.ts';
import type { IngressPort, WeightedEndpoint } from '../model.ts';
import { PrefixTable } from './prefix-table.ts';

/** A tracked connection to an open port, as far as it matters here. */
export interface TrackedConnection {
  readonly protocol: Protocol;
  /** The node's port. */
  readonly port: number;
  /** The endpoint that answers, `ADDRESS PORT`. */
  readonly endpoint: string;
  readonly established: boolean;
  readonly client: Address;
}

/** What should become of a tracked connection. */
export type Verdict =
  | 'keep'
  /** Its endpoint is gone, but may be finishing: forgotten when the drain time is over. */
  | 'drain'
  /** The client's next packet would go to an address that does not answer. */
  | 'forget';

/**
 * Judges tracked connections by the open ports. TCP that is established may go on for a while when
 * its endpoint goes; what is half open, and UDP, would be sent there for ever. UDP leaves an endpoint
 * that gets nothing new as soon as there is another. A client that the port's allow-list does not name may go
 * on, unless `isStrict`.
 */
export function judgeConnections(
  ports: Iterable<IngressPort>,
  isStrict = false,
): (connection: TrackedConnection) => Verdict {
  const wanted = new Map<number, IngressPort>();
  for (const port of ports) wanted.set(keyOf(port), port);
  // Of most ports no connection is tracked: what is not asked for is not worked out.
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
  /** Those that get new connections. */
  readonly active: ReadonlySet<string>;
  /** Clients that may connect; absent: all. */
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
