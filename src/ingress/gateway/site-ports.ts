import type { Address } from '../../base/model/address.ts';
import type { PortRequest } from '../intent/port-request.ts';
import type { DecidedHolder } from './decide-gateways.ts';
import { listOwnPlaces, type OwnPlace } from './gateway-addresses.ts';
import type { L7Listener } from './listener.ts';
import { isServedListener } from './listener-status.ts';

/** The router's own ports at the addresses of the nodes, where HAProxy listens. */
export interface OwnPorts {
  readonly http: number;
  readonly https: number;
}

/** Results of claims of ports by listeners for hosts, by {@link sitePortKey}: the message of a rejection. */
export type SitePorts = ReadonlyMap<string, string | undefined>;

/** Returns the key of a port: `8080`, or `8080 192.0.2.10` of one address. */
export function sitePortKey(port: number, address?: Address): string {
  return address === undefined ? `${port}` : `${port} ${address.text}`;
}

/** Returns the keys of the ports that a listener needs in addition to the router's own. */
export function listSitePorts(
  { addresses }: DecidedHolder,
  { port, protocol }: L7Listener,
  own: OwnPorts,
): readonly ({ readonly key: string } & Partial<OwnPlace>)[] {
  const isOwn = port === (protocol === 'http' ? own.http : own.https);
  // The router has its own ports at all addresses of the nodes.
  if (isOwn && addresses.virtual === undefined) return [];
  const places = listOwnPlaces(addresses);
  return places?.map((place) => ({ key: sitePortKey(port, place.address), ...place })) ?? [{ key: sitePortKey(port) }];
}

/**
 * Returns claims for the ports of listeners for hosts. Listeners that share a port have one claim, owned by the oldest
 * Gateway or ListenerSet. Without a claim, a listener could intercept connections to programs of the node.
 *
 * @param holders oldest first
 */
export function claimSitePorts(holders: Iterable<DecidedHolder>, own: OwnPorts): readonly PortRequest[] {
  const claims = new Map<string, PortRequest>();
  for (const decided of holders) {
    if (!decided.isServed) continue;
    const { meta } = decided;
    for (const decision of decided.listeners) {
      if (!isServedListener(decision)) continue;
      const { name, port } = decision.listener;
      for (const { key, ...place } of listSitePorts(decided, decision.listener, own)) {
        if (claims.has(key)) continue;
        claims.set(key, {
          meta: { ...meta, uid: `${meta.uid}/${name} ${key}` },
          listener: name,
          ...(decided.kind === 'ListenerSet' && { kind: decided.kind }),
          isClaim: true,
          demand: {
            ok: true,
            value: {
              ports: [{ protocol: 'tcp', port, ...place }],
              limits: {},
              ignored: [],
              backends: [],
            },
          },
        });
      }
    }
  }
  return [...claims.values()];
}
