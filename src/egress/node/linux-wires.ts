import type { DaemonLog } from '../../base/daemon/log.ts';
import { pollReadable } from '../../base/linux/libc/calls.ts';
import { listAddresses } from '../../base/linux/netlink/address.ts';
import { NetworkEvents } from '../../base/linux/netlink/events.ts';
import { findLink } from '../../base/linux/netlink/link.ts';
import { type Address, isLinkLocal } from '../../base/model/address.ts';
import type { Link } from '../../base/model/network.ts';
import type { AttachmentState } from '../model/state.ts';
import { findEthernetLink, keyOf, withinPod, withNetlink } from './pod-namespace.ts';
import { hasCarrier, isLinkDown, Wire } from './wire.ts';
import type { WireClaim, Wires } from './wires-api.ts';

/** Milliseconds between attempts to open a wire. */
const retryAfter = 1000;

/** A wire with the routers on it. */
interface Followed {
  readonly place: Place;
  /** Undefined while the link is missing or the sockets cannot be opened. */
  wire: Wire | undefined;
  routers: readonly AttachmentState[];
  retryAt: number;
  /** Whether the failure to open the wire has been logged. */
  isReported: boolean;
}

/** The link, and its namespace, from which a wire is observed. */
interface Place {
  readonly key: string;
  readonly within: <T>(look: () => T) => T;
  readonly link: string;
}

/**
 * Observes the wires of this node with packet sockets. A wire is observed from its master in the node's network
 * namespace, in which the process must run. A macvlan in passthru mode receives all frames of its master, so its wire
 * is observed from the router's interface.
 */
export class LinuxWires implements Wires {
  readonly #log: DaemonLog;
  readonly #followed = new Map<string, Followed>();
  readonly #byRouter = new Map<string, Followed>();
  /** Hardware addresses of the routers' own interfaces, because a switch may reflect their frames. */
  readonly #macs = new Map<string, string>();
  readonly #events = new NetworkEvents(['link']);
  #fds: readonly number[] = [];

  constructor(log: DaemonLog) {
    this.#log = log;
  }

  retain(states: readonly AttachmentState[]): void {
    const now = performance.now();
    const living = new Set(states.map(keyOf));
    for (const key of this.#macs.keys()) if (!living.has(key)) this.#macs.delete(key);
    const routers = new Map<string, { readonly place: Place; readonly states: AttachmentState[] }>();
    this.#byRouter.clear();
    const masters = new Map<string, boolean>();
    for (const state of states) {
      const { master } = state;
      if (!masters.has(master)) masters.set(master, attempt(() => findEthernetLink(master)) !== undefined);
      const place = placeOf(state, masters.get(master) === true);
      const group = routers.get(place.key) ?? { place, states: [] };
      group.states.push(state);
      routers.set(place.key, group);
    }
    for (const [key, followed] of this.#followed) {
      if (routers.has(key)) continue;
      followed.wire?.close();
      this.#followed.delete(key);
    }
    for (const [key, { place, states: group }] of routers) {
      const followed = this.#followed.get(key) ?? {
        place,
        wire: undefined,
        routers: [],
        retryAt: 0,
        isReported: false,
      };
      followed.routers = group;
      this.#followed.set(key, followed);
      for (const state of group) this.#byRouter.set(keyOf(state), followed);
      this.#attend(followed, now);
    }
    this.#collectSockets();
  }

  turn(now: number): readonly WireClaim[] {
    const claims: WireClaim[] = [];
    const readable = new Set(pollReadable(this.#fds));
    if (readable.has(this.#events.fd) && this.#events.drain()) this.#lookAtLinks(now);
    for (const followed of this.#followed.values()) {
      const { wire } = followed;
      if (wire === undefined) {
        if (followed.retryAt <= now) this.#attend(followed, now);
        continue;
      }
      try {
        wire.ask(now);
        if (!wire.fds.some((fd) => readable.has(fd))) continue;
        for (const claimant of wire.listen(now)) claims.push(...this.#claimsOf(followed, claimant));
      } catch (error) {
        if (!isLinkDown(error)) this.#drop(followed, error, now);
      }
    }
    return claims;
  }

  quietFor(state: AttachmentState, now: number): number {
    const gateways = state.router?.gateways ?? [];
    // A wire that cannot be observed is no evidence that a router is cut off.
    return this.#byRouter.get(keyOf(state))?.wire?.quietFor(gateways, now) ?? 0;
  }

  close(): void {
    for (const { wire } of this.#followed.values()) wire?.close();
    this.#followed.clear();
    this.#byRouter.clear();
    this.#events.close();
    this.#fds = [];
  }

  #claimsOf({ routers }: Followed, { address, mac }: { readonly address: Address; readonly mac: string }): WireClaim[] {
    return routers
      .filter((state) => state.addresses.some((one) => one.address.text === address.text))
      .filter((state) => this.macOf(state) !== mac)
      .map((state) => ({ state, rival: { address: address.text, mac } }));
  }

  /** Cached, because CHECK detects a change. */
  macOf(state: AttachmentState): string | undefined {
    const key = keyOf(state);
    const known = this.#macs.get(key);
    if (known !== undefined) return known;
    const mac = attempt(() => withinPod(state, () => findEthernetLink(state.link)))?.mac;
    if (mac !== undefined) this.#macs.set(key, mac);
    return mac;
  }

  /** Opens a wire if it is not open, and updates its gateways and reserved addresses. */
  #attend(followed: Followed, now: number): void {
    const { place, routers } = followed;
    try {
      followed.wire ??= open(place);
      followed.retryAt = now + retryAfter;
      followed.wire?.attend(
        {
          gateways: unique(routers.flatMap(({ router }) => router?.gateways ?? [])),
          reserved: unique(routers.flatMap(({ addresses }) => addresses.map(({ address }) => address))),
        },
        now,
      );
      this.#collectSockets();
    } catch (error) {
      this.#drop(followed, error, now);
    }
  }

  #drop(followed: Followed, error: unknown, now: number): void {
    const words = { err: error, wire: followed.place.key };
    if (followed.wire === undefined && !followed.isReported) {
      followed.isReported = true;
      this.#log.warn(words, 'Failed to observe the wire of routers; a loss of connectivity goes undetected');
    } else this.#log.debug(words, 'Reopening the sockets on the wire of routers');
    followed.wire?.close();
    followed.wire = undefined;
    followed.retryAt = now + retryAfter;
    this.#collectSockets();
  }

  /** Handles links that were added, deleted, or changed their carrier. */
  #lookAtLinks(now: number): void {
    for (const followed of this.#followed.values()) {
      const { wire, place } = followed;
      if (wire === undefined) {
        this.#attend(followed, now);
        continue;
      }
      const link = attempt(() => place.within(() => withNetlink((socket) => findLink(socket, place.link))));
      if (link?.index !== wire.link.index || link.mac !== wire.link.mac) {
        this.#drop(followed, new Error('the link was deleted or replaced'), now);
        this.#attend(followed, now);
      } else {
        wire.setCarrier(hasCarrier(link), now);
      }
    }
  }

  #collectSockets(): void {
    this.#fds = [this.#events.fd, ...[...this.#followed.values()].flatMap(({ wire }) => wire?.fds ?? [])];
  }
}

/** Returns the master in the node's namespace, or the router's own interface if there is no such master. */
function placeOf(state: AttachmentState, hasMaster: boolean): Place {
  const { master, router, netns, link } = state;
  if (!hasMaster || router?.mode === 'passthru') {
    return { key: `${netns.inode} ${link}`, within: (look) => withinPod(state, look), link };
  }
  return { key: master, within: (look) => look(), link: master };
}

function open({ within, link: name }: Place): Wire | undefined {
  return within(() => {
    const link = findEthernetLink(name);
    return link && new Wire(link, findLinkLocal(link));
  });
}

function findLinkLocal(link: Link): Address | undefined {
  return withNetlink((socket) => listAddresses(socket, link.index))
    .filter(({ linkIndex }) => linkIndex === link.index)
    .map(({ prefix: { address } }) => address)
    .find((address) => address.family === 6 && isLinkLocal(address));
}

function unique(addresses: readonly Address[]): readonly Address[] {
  return [...new Map(addresses.map((address) => [address.text, address])).values()];
}

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
