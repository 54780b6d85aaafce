import { listAddresses } from '../../base/linux/netlink/address.ts';
import { listNeighbours } from '../../base/linux/netlink/neighbour.ts';
import { listRoutes } from '../../base/linux/netlink/route.ts';
import { NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import type { PodView } from '../../base/model/observed.ts';
import { LinkDirectory } from './link-directory.ts';

/** Reads the current namespace for the readiness probe. Needs no privileges. Throws NetlinkError. */
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
