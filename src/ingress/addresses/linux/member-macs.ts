import { listNeighbours } from '../../../base/linux/netlink/neighbour.ts';
import type { NetlinkSocket } from '../../../base/linux/netlink/socket.ts';

/** Milliseconds for which a listing of the neighbor table is cached. */
const validity = 1000;

/**
 * Hardware addresses of members in the kernel's neighbor table, which heartbeats keep filled. A process that
 * has just started thus recognizes a member before its first heartbeat.
 */
export class MemberMacs {
  readonly #socket: NetlinkSocket;
  #macs: ReadonlySet<string> = new Set();
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Returns whether an address of a member has this hardware address. Throws NetlinkError. */
  has(mac: string, addresses: ReadonlySet<string>, now: number): boolean {
    if (now - this.#readAt > validity) {
      this.#readAt = now;
      const own = listNeighbours(this.#socket).filter(({ address }) => addresses.has(address.text));
      this.#macs = new Set(own.flatMap((neighbour) => neighbour.mac ?? []));
    }
    return this.#macs.has(mac);
  }
}
