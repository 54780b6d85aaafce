import { readAttributes } from '../../../base/linux/netlink/attributes.ts';
import { conntrackAttribute, conntrackType, parseTracked } from '../../../base/linux/netlink/conntrack-message.ts';
import { flag, NetlinkSocket, netlinkFamily } from '../../../base/linux/netlink/socket.ts';

/** `IPPROTO_TCP`, `CTA_PROTOINFO_TCP`, `CTA_PROTOINFO_TCP_STATE`. */
const tcp = 6;
const protocolInfoTcp = 1;
const tcpState = 1;
/**
 * `TCP_CONNTRACK_ESTABLISHED` to `TCP_CONNTRACK_LAST_ACK`: connections on which at least one side expects packets. Not
 * handshakes: a client that never completes one would keep an address for a minute.
 */
const [firstLive, lastLive] = [3, 6];

/** Live TCP connections to an address. */
export interface ConnectionCount {
  /** Connections to a program of this node, such as HAProxy. */
  readonly local: number;
  /** Connections that this node's kernel forwards to an endpoint. */
  readonly forwarded: number;
}

/**
 * Counts the live tracked TCP connections to each of these addresses, in steps that yield to other work. Throws
 * NetlinkError.
 */
export async function countConnections(addresses: ReadonlySet<string>): Promise<Map<string, ConnectionCount>> {
  const counts = new Map<string, ConnectionCount>();
  const socket = new NetlinkSocket(netlinkFamily.netfilter);
  try {
    const dump = socket.requestInSteps(conntrackType.get, flag.dump, (out) => out.emit(Buffer.alloc(4)));
    for await (const replies of dump) {
      for (const reply of replies) {
        const tracked = parseTracked(reply);
        if (tracked === undefined || tracked.original.protocol !== tcp) continue;
        const to = tracked.original.destination.text;
        if (!addresses.has(to) || !isLive(tracked.attributes)) continue;
        const { local, forwarded } = counts.get(to) ?? { local: 0, forwarded: 0 };
        // A listener's port is translated to a port of HAProxy at the same address.
        const isForwarded = tracked.destinationTranslated && tracked.reply.source.text !== to;
        counts.set(to, { local: local + (isForwarded ? 0 : 1), forwarded: forwarded + (isForwarded ? 1 : 0) });
      }
    }
    return counts;
  } finally {
    socket.close();
  }
}

function isLive(attributes: ReadonlyMap<number, Buffer>): boolean {
  const info = attributes.get(conntrackAttribute.protocolInfo);
  const own = info && readAttributes(info).get(protocolInfoTcp);
  const state = own && readAttributes(own).get(tcpState)?.[0];
  return state !== undefined && state >= firstLive && state <= lastLive;
}
