import { listAddresses } from '../../base/linux/netlink/address.ts';
import { listNeighbours } from '../../base/linux/netlink/neighbour.ts';
import { listRoutes } from '../../base/linux/netlink/route.ts';
import { NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import type { LinkView, PodView } from '../../base/model/observed.ts';
import { LinkDirectory } from './link-directory.ts';

/** Reads the current namespace for the readiness probe. Needs no privileges. Throws NetlinkError. */
export function readPodView(): PodView {
  return withSocket((socket) => ({ ...readLinks(socket), neighbours: listNeighbours(socket) }));
}

/** As {@link readPodView}, without neighbors, of which there may be many. */
export function readLinkView(): LinkView {
  return withSocket(readLinks);
}

function withSocket<T>(read: (socket: NetlinkSocket) => T): T {
  const socket = new NetlinkSocket(netlinkFamily.route);
  try {
    return read(socket);
  } finally {
    socket.close();
  }
}

function readLinks(socket: NetlinkSocket): LinkView {
  const directory = new LinkDirectory(socket);
  const links = directory.list();
  return {
    links,
    addresses: listAddresses(socket).flatMap(({ linkIndex, prefix }) => {
      const link = directory.nameOf(linkIndex);
      return link === undefined ? [] : [{ link, prefix }];
    }),
    routes: ([4, 6] as const).flatMap((family) => listRoutes(socket, family, directory)),
  };
}
