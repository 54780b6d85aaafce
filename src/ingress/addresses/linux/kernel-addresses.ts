import { deleteAddress, setTemporaryAddress } from '../../../base/linux/netlink/address.ts';
import { NetlinkError, NetlinkSocket, netlinkFamily } from '../../../base/linux/netlink/socket.ts';
import { type Address, hostPrefix } from '../../../base/model/address.ts';

/** Index of `lo` in every network namespace. */
export const loopback = 1;

/** Virtual addresses on this node's interfaces. */
export class KernelAddresses {
  readonly socket = new NetlinkSocket(netlinkFamily.route);

  /** Adds an address or renews its lifetime. Throws NetlinkError. */
  set(address: Address, linkIndex: number, validSeconds: number): void {
    setTemporaryAddress(this.socket, linkIndex, hostPrefix(address), validSeconds);
  }

  /** Removes an address if it exists. Throws NetlinkError. */
  remove(address: Address, linkIndex: number): void {
    try {
      deleteAddress(this.socket, linkIndex, hostPrefix(address));
    } catch (error) {
      const isGone = error instanceof NetlinkError && ['EADDRNOTAVAIL', 'ENODEV'].includes(error.code);
      if (!isGone) throw error;
    }
  }

  close(): void {
    this.socket.close();
  }
}
