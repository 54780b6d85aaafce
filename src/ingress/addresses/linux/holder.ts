import { performance } from 'node:perf_hooks';
import type { DaemonLog } from '../../../base/daemon/log.ts';
import { type Address, parseAddress } from '../../../base/model/address.ts';
import type { Link } from '../../../base/model/network.ts';
import { Lifetimes } from '../lifetimes.ts';
import type { ProbeResult } from '../phase.ts';
import { type Timing, timing } from '../timing.ts';
import type { KernelAddresses } from './kernel-addresses.ts';
import { loopback } from './kernel-addresses.ts';
import { Segment } from './segment.ts';
import { Wire } from './wire.ts';

/** Seconds that an address stays on `lo` without a renewal, and milliseconds between two renewals. */
const hiddenSeconds = 60;
const hiddenRenewal = 20_000;
/** When to announce an address, in milliseconds after taking it. */
const announcements = [0, 250, 1000] as const;

/** An address on an interface. */
interface Held {
  readonly address: Address;
  readonly link: Link;
  /** Times of the next announcements. */
  announceAt: number[];
}

/** Addresses in this node's kernel: on interfaces with a short lifetime, or on `lo` while connections end. */
export class Holder {
  readonly #kernel: KernelAddresses;
  readonly #log: DaemonLog;
  readonly #timing: Timing;
  readonly #lifetimes: Lifetimes;
  readonly #held = new Map<string, Held>();
  readonly #hidden = new Map<string, { readonly address: Address; renewAt: number }>();
  readonly #wires = new Map<number, Wire>();
  #segment: Segment;

  constructor(kernel: KernelAddresses, log: DaemonLog, times: Timing = timing) {
    this.#kernel = kernel;
    this.#log = log;
    this.#timing = times;
    this.#lifetimes = new Lifetimes(times);
    this.#segment = new Segment(kernel.socket, new Set());
  }

  /** This node's links as of the last {@link refresh}. */
  get segment(): Segment {
    return this.#segment;
  }

  /** Reads links and addresses. Throws NetlinkError. */
  refresh(virtual: ReadonlySet<string>): void {
    this.#segment = new Segment(this.#kernel.socket, virtual);
  }

  isHeld(text: string): boolean {
    return this.#held.has(text);
  }

  /** Adds an address to an interface and announces it. Throws NetlinkError or the system's error. */
  take(text: string, link: Link): void {
    const address = parse(text);
    const before = performance.now();
    this.#kernel.set(address, link.index, this.#timing.lifetime / 1000);
    this.#lifetimes.renewed(text, before);
    this.#held.set(text, { address, link, announceAt: [] });
    this.#unhide(text);
    this.#watch(link);
    this.announce(text);
  }

  /** Announces a held address now and twice more. */
  announce(text: string): void {
    const held = this.#held.get(text);
    if (held === undefined) return;
    const now = performance.now();
    held.announceAt = announcements.map((delay) => now + delay);
    this.announceDue(now);
  }

  /** Moves an address to `lo`, where this node continues to serve its connections. Throws NetlinkError. */
  hide(text: string): void {
    const address = parse(text);
    this.#kernel.set(address, loopback, hiddenSeconds);
    this.#hidden.set(text, { address, renewAt: performance.now() + hiddenRenewal });
    this.release(text);
  }

  /** Removes an address from its interface. Throws NetlinkError. */
  release(text: string): void {
    const held = this.#held.get(text);
    if (held === undefined) return;
    this.#held.delete(text);
    this.#lifetimes.forget(text);
    this.#kernel.remove(held.address, held.link.index);
    this.#watch(held.link);
  }

  /** Removes an address from `lo`. Throws NetlinkError. */
  unhide(text: string): void {
    this.#unhide(text);
  }

  /**
   * Renews lifetimes. Returns lost addresses, whose lifetime expired while this process or the machine was stopped:
   * removes them, because another node may hold them. Throws NetlinkError.
   */
  renew(): string[] {
    const now = performance.now();
    const lost = new Set([...this.#held.keys()].filter((text) => !this.#lifetimes.isAlive(text, now)));
    for (const text of this.#lifetimes.due(now)) {
      const held = this.#held.get(text);
      if (held === undefined || lost.has(text)) continue;
      const before = performance.now();
      if (!this.#lifetimes.isAlive(text, before)) lost.add(text);
      else if (!this.#renewOne(text, held, before)) lost.add(text);
    }
    for (const text of lost) this.release(text);
    for (const hidden of this.#hidden.values()) {
      if (now < hidden.renewAt) continue;
      hidden.renewAt = now + hiddenRenewal;
      this.#kernel.set(hidden.address, loopback, hiddenSeconds);
    }
    return [...lost];
  }

  /** Sends due announcements. */
  announceDue(now: number): void {
    for (const held of this.#held.values()) {
      const due = held.announceAt.filter((at) => at <= now);
      if (due.length === 0) continue;
      held.announceAt = held.announceAt.filter((at) => at > now);
      if (held.announceAt.length === 0) held.announceAt.push(now + this.#timing.announcement);
      this.#attempt(held.link, (wire) => wire.announce(held.address));
    }
  }

  /** Probes an address on its link. `isMember` recognizes members by hardware address. */
  async probe(text: string, link: Link, isMember: (mac: string) => boolean): Promise<ProbeResult> {
    const address = parse(text);
    const { failures } = this.#wireOf(link);
    this.#attempt(link, (wire) => wire.startProbe(address));
    await sleep(this.#timing.probe / 2);
    this.#attempt(link, (wire) => wire.repeatProbes());
    await sleep(this.#timing.probe / 2);
    this.#attempt(link, (wire) => void wire.poll());
    const macs = this.#wireOf(link).endProbe(text);
    const rival = macs.find((mac) => !isMember(mac));
    if (rival !== undefined) return { rival };
    // If no probe was sent, silence proves nothing.
    const isAsked = this.#wireOf(link).failures === failures;
    return macs.length > 0 || !isAsked ? 'member' : 'free';
  }

  /** Returns claims of held addresses by other machines. */
  pollClaims(): { readonly address: string; readonly mac: string; readonly link: Link }[] {
    const links = new Map([...this.#held.values()].map(({ link }) => [link.index, link]));
    return [...links.values()].flatMap((link) => {
      let claims: { address: string; mac: string; link: Link }[] = [];
      this.#attempt(link, (wire) => {
        claims = wire.poll().map(({ address, mac }) => ({ address: address.text, mac, link }));
      });
      return claims;
    });
  }

  /** Removes everything. */
  close(): void {
    for (const text of this.#held.keys()) this.release(text);
    for (const text of this.#hidden.keys()) this.#unhide(text);
    for (const wire of this.#wires.values()) wire.close();
    this.#wires.clear();
  }

  #renewOne(text: string, { address, link }: Held, before: number): boolean {
    try {
      this.#kernel.set(address, link.index, this.#timing.lifetime / 1000);
    } catch (error) {
      this.#log.warn({ err: error, address: text }, 'Cannot renew an address');
      return false;
    }
    // This process may have been stopped between the check and the system call.
    if (!this.#lifetimes.isAlive(text, performance.now())) return false;
    this.#lifetimes.renewed(text, before);
    return true;
  }

  #unhide(text: string): void {
    const hidden = this.#hidden.get(text);
    if (hidden === undefined) return;
    this.#hidden.delete(text);
    this.#kernel.remove(hidden.address, loopback);
  }

  #wireOf(link: Link): Wire {
    let wire = this.#wires.get(link.index);
    if (wire === undefined) {
      wire = new Wire(link, (error) =>
        this.#log.debug({ err: error, interface: link.name }, 'Cannot probe or announce on a link; retrying'),
      );
      this.#wires.set(link.index, wire);
    }
    return wire;
  }

  #watch(link: Link): void {
    const own = [...this.#held.values()].filter((held) => held.link.index === link.index);
    this.#attempt(link, (wire) => wire.watch(own.map(({ address }) => address)));
  }

  /** A link that is down or gone must not end the process: the next use opens its sockets again. */
  #attempt(link: Link, use: (wire: Wire) => void): void {
    try {
      use(this.#wireOf(link));
    } catch (error) {
      this.#log.debug({ err: error, interface: link.name }, 'Cannot probe or announce on a link; retrying');
      this.#wireOf(link).close();
    }
  }
}

function parse(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
