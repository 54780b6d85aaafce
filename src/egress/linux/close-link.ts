import { deleteAddress } from '../../base/linux/netlink/address.ts';
import { setLinkUp } from '../../base/linux/netlink/link.ts';
import { swallowEgress } from '../../base/linux/netlink/qdisc.ts';
import { NetlinkError, type NetlinkSocket } from '../../base/linux/netlink/socket.ts';
import { readSysctl, writeSysctl } from '../../base/linux/sysctl.ts';
import type { Prefix } from '../../base/model/address.ts';

/**
 * Closes a link that is about to be deleted in both directions: it sends nothing, nothing received on it is
 * forwarded, and no other link answers for its addresses. The link stays up, because the kernel waits for a grace
 * period when a macvlan goes down and for another when it is deleted, but only for one when it is deleted while up.
 * Throws {@link NetlinkError}.
 */
export function closeLink(pod: NetlinkSocket, name: string, index: number, addresses: readonly Prefix[]): void {
  try {
    swallowEgress(pod, index);
  } catch (error) {
    // The kernel has no queueing disciplines.
    if (!(error instanceof NetlinkError) || error.code === 'ENODEV') throw error;
    setLinkUp(pod, index, false);
    return;
  }
  for (const version of ['ipv4', 'ipv6']) {
    const key = `net/${version}/conf/${name}/forwarding`;
    if (readSysctl(key) !== undefined) writeSysctl(key, '0');
  }
  for (const prefix of addresses) removeAddress(pod, index, prefix);
}

/** Removes an address. The kernel may have removed it together with a previous one. */
function removeAddress(pod: NetlinkSocket, index: number, prefix: Prefix): void {
  try {
    deleteAddress(pod, index, prefix);
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.code !== 'EADDRNOTAVAIL') throw error;
  }
}
