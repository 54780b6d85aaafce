import { KernelError } from '../../base/linux/kernel-error.ts';
import { listLinks } from '../../base/linux/netlink/link.ts';
import type { LinkNames } from '../../base/linux/netlink/route.ts';
import type { NetlinkSocket } from '../../base/linux/netlink/socket.ts';
import type { Link } from '../../base/model/network.ts';

/** Names and indexes of a namespace's links, read again for unknown names. */
export class LinkDirectory implements LinkNames {
  readonly #socket: NetlinkSocket;
  #links: readonly Link[] = [];

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Reads all links. Throws {@link NetlinkError}. */
  list(): readonly Link[] {
    this.#links = listLinks(this.#socket);
    return this.#links;
  }

  nameOf(index: number): string | undefined {
    return this.#links.find((link) => link.index === index)?.name;
  }

  indexOf(name: string): number {
    return this.find(name).index;
  }

  /** Returns the link with this name. Throws {@link KernelError} (`missing`). */
  find(name: string): Link {
    const link = this.#named(name) ?? this.list().find((one) => one.name === name);
    if (link === undefined) throw new KernelError('missing', `interface ${name} does not exist`);
    return link;
  }

  /** Invalidates the cache after a link was added or removed. */
  forget(): void {
    this.#links = [];
  }

  #named(name: string): Link | undefined {
    return this.#links.find((link) => link.name === name);
  }
}
