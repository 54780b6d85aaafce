import { closeSync, openSync } from 'node:fs';
import { enterNetworkNamespace } from '../../base/linux/libc/calls.ts';
import { findLink } from '../../base/linux/netlink/link.ts';
import { NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import type { Link } from '../../base/model/network.ts';
import type { AttachmentState } from '../model/state.ts';

/** Returns the key of an attachment in maps. */
export function keyOf({ id }: Pick<AttachmentState, 'id'>): string {
  return `${id.containerId}@${id.ifname}`;
}

/** Runs a function in a router's namespace without acquiring the lock that changes require. */
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

/** Calls a function with a netlink socket of the current namespace. */
export function withNetlink<T>(use: (socket: NetlinkSocket) => T): T {
  const socket = new NetlinkSocket(netlinkFamily.route);
  try {
    return use(socket);
  } finally {
    socket.close();
  }
}

/** Returns a link of the current namespace if it has an Ethernet address. */
export function findEthernetLink(name: string): Link | undefined {
  const link = withNetlink((socket) => findLink(socket, name));
  return link !== undefined && /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(link.mac) ? link : undefined;
}
