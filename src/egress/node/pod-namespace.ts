import { closeSync, openSync } from 'node:fs';
import { enterNetworkNamespace } from '../../base/linux/libc/calls.ts';
import { findLink } from '../../base/linux/netlink/link.ts';
import { NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import type { Link } from '../../base/model/network.ts';
import type { AttachmentState } from '../model/state.ts';

/** Names an attachment in maps. */
export function keyOf({ id }: Pick<AttachmentState, 'id'>): string {
  return `${id.containerId}@${id.ifname}`;
}

/** Looks at something in a router's namespace, without the lock that changes take. */
export function withinPod<T>({ netns }: Pick<AttachmentState, 'netns'>, look: () => T): T {
  const home = openSync('/proc/self/ns/net', 'r');
  try {
    const there = openSync(netns.path, 'r');
    try {
      enterNetworkNamespace(there);
      return look();
    } finally {
      enterNetworkNamespace(home);
      closeSync(there);
    }
  } finally {
    closeSync(home);
  }
}

/** Runs something with a netlink socket of the namespace that the thread is in. */
export function withNetlink<T>(use: (socket: NetlinkSocket) => T): T {
  const socket = new NetlinkSocket(netlinkFamily.route);
  try {
    return use(socket);
  } finally {
    socket.close();
  }
}

/** Finds a link of the namespace that the thread is in, if it has a hardware address that frames can name. */
export function findEthernetLink(name: string): Link | undefined {
  const link = withNetlink((socket) => findLink(socket, name));
  return link !== undefined && /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(link.mac) ? link : undefined;
}
