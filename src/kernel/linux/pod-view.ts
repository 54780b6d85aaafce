import type { PodView } from '../../model/observed.ts';
import { LinkDirectory } from './link-directory.ts';
import { listAddresses } from './netlink/address.ts';
import { listNeighbours } from './netlink/neighbour.ts';
import { listRoutes } from './netlink/route.ts';
import { NetlinkSocket, netlinkFamily } from './netlink/socket.ts';

/** Reads what a router's pod is judged by, in the namespace that the thread is in. Needs no privilege. Throws NetlinkError. */
export function readPodView(): PodView {
  const socket = new NetlinkSocket(netlinkFamily.route);
  try {
    const directory = new LinkDirectory(socket);
    const links = directory.list();
    return {
      links,
      addresses: listAddresses(socket).flatMap(({ linkIndex, prefix }) => {
        const link = directory.nameOf(linkIndex);
        return link === undefined ? [] : [{ link, prefix }];
      }),
      routes: ([4, 6] as const).flatMap((family) => listRoutes(socket, family, directory)),
      neighbours: listNeighbours(socket),
    };
  } finally {
    socket.close();
  }
}
