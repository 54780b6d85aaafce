import { type IndexedAddress, listAddresses } from '../../../base/linux/netlink/address.ts';
import { listLinks } from '../../../base/linux/netlink/link.ts';
import type { NetlinkSocket } from '../../../base/linux/netlink/socket.ts';
import { type Address, containsAddress, isLinkLocal, parseAddress } from '../../../base/model/address.ts';
import type { Link } from '../../../base/model/network.ts';
import type { PeerLink, PeerReport } from '../peer-report.ts';
import type { Way } from '../rules.ts';

/** Interface names that are safe to use in rules. */
const safeName = /^[A-Za-z0-9._@-]{1,15}$/;

/** The links and addresses of this node at one moment. */
export class Segment {
  readonly #links: readonly Link[];
  readonly #addresses: readonly IndexedAddress[];
  /** Addresses that do not move between nodes. */
  readonly #own: readonly IndexedAddress[];
  /** What other members need to forward connections to this node and to recognize its packets. */
  readonly links: readonly PeerLink[];

  /**
   * Reads the state of the network namespace. Throws NetlinkError.
   *
   * @param virtual addresses that move between nodes, which do not count as this node's own
   */
  constructor(socket: NetlinkSocket, virtual: ReadonlySet<string>) {
    this.#links = listLinks(socket).filter(({ name }) => safeName.test(name));
    this.#addresses = listAddresses(socket);
    const own = this.#addresses.filter(({ prefix }) => !virtual.has(prefix.address.text));
    this.#own = own;
    this.links = this.#links.filter(isEthernet).flatMap(({ index, mac, up }) => {
      const addresses = own.filter(({ linkIndex }) => linkIndex === index);
      if (!up || addresses.length === 0) return [];
      return [{ mac, addresses: addresses.map(({ prefix }) => prefix.address.text) }];
    });
  }

  /** The interface of an address: the named one, or the one whose subnet contains it. Undefined if none is up. */
  linkOf(address: string, name?: string): Link | undefined {
    if (name !== undefined) return this.#links.find((link) => link.name === name && link.up);
    const parsed = parseAddress(address);
    if (parsed === undefined) return undefined;
    const candidates = this.#own
      .filter(({ prefix }) => prefix.length > 0 && containsAddress(prefix, parsed) && prefix.address.text !== address)
      .sort((one, other) => other.prefix.length - one.prefix.length);
    for (const { linkIndex } of candidates) {
      const link = this.#links.find(({ index }) => index === linkIndex);
      if (link?.up && isEthernet(link)) return link;
    }
    return undefined;
  }

  /** Interfaces that carry a virtual address. */
  carriersOf(address: string): { readonly linkIndex: number; readonly isPermanent: boolean }[] {
    return this.#addresses
      .filter(({ prefix }) => prefix.address.text === address)
      .map(({ linkIndex, validSeconds }) => ({ linkIndex, isPermanent: validSeconds === undefined }));
  }

  /** How to reach a member on the interface of an address, with the same family. Undefined: not on one segment. */
  wayTo({ links }: Pick<PeerReport, 'links'>, address: string, device: Link): Way | undefined {
    const family = parseAddress(address)?.family;
    const texts = links.flatMap(({ addresses }) => addresses);
    const known = texts.map(parseAddress).filter((one): one is Address => one?.family === family);
    const own = this.#own.filter(({ linkIndex }) => linkIndex === device.index);
    const near = known.find(
      (one) =>
        !isLinkLocal(one) && own.some(({ prefix }) => !isLinkLocal(prefix.address) && containsAddress(prefix, one)),
    );
    const gateway = near ?? known.find(isLinkLocal);
    return gateway && { gateway: gateway.text, device: device.name };
  }

  /** This node's own IPv4 address on each interface. */
  arpSources(): Way[] {
    return this.#links.flatMap(({ index, name }) => {
      const own = this.#own.find(({ linkIndex, prefix }) => linkIndex === index && prefix.address.family === 4);
      return own === undefined || index === 1 ? [] : [{ gateway: own.prefix.address.text, device: name }];
    });
  }
}

function isEthernet({ mac }: Link): boolean {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) && mac !== '00:00:00:00:00:00';
}
