import { codeOf } from '../../base/linux/libc/calls.ts';
import { WireConversation, type WireQuestion } from '../../base/linux/wire-probe.ts';
import type { Address } from '../../base/model/address.ts';
import type { Link } from '../../base/model/network.ts';
import type { Claimant } from '../../base/model/observed.ts';

/** Milliseconds between probes while gateways answer, and after a missed answer. */
const pace = { calm: 1000, eager: 300 };

/** Milliseconds without an answer after which a gateway is probed at the calm pace again. */
const eagerFor = 3000;

/**
 * Assumed milliseconds of silence of a gateway that has not answered yet. The value keeps the daemon from probing with
 * a router's address on a wire that may have been cut while no daemon ran.
 */
const unheard = 1500;

/** Maximum frames to process per call, so that a busy wire cannot block the daemon. */
const mostFrames = 64;

/** Addresses to probe and to listen for on a wire. */
export interface WireInterest {
  readonly gateways: readonly Address[];
  /** Addresses of routers. Claims to them are reported; they are not probed. */
  readonly reserved: readonly Address[];
}

/** A wire, observed from a link in the namespace in which the object was created. */
export class Wire {
  readonly link: Link;
  readonly #conversation: WireConversation;
  readonly #asker: Address | undefined;
  readonly #heard = new Map<string, number>();
  readonly #since = new Map<string, number>();
  #gateways: readonly Address[] = [];
  #askedAt = Number.NEGATIVE_INFINITY;
  #hasCarrier: boolean;

  /**
   * Opens the sockets. Throws the system's error.
   *
   * @param asker link-local address of the link, so that gateways answer by unicast; not needed for IPv4
   */
  constructor(link: Link, asker: Address | undefined) {
    this.link = link;
    this.#asker = asker;
    this.#hasCarrier = hasCarrier(link);
    this.#conversation = new WireConversation(link, [], 0);
  }

  get fds(): readonly number[] {
    return this.#conversation.fds;
  }

  /** Replaces the addresses to probe and to listen for. Throws the system's error. */
  attend({ gateways, reserved }: WireInterest, now: number): void {
    this.#gateways = gateways;
    const questions = [
      ...gateways.map((address): WireQuestion => {
        const asker = address.family === 6 ? this.#asker : undefined;
        return { address, hears: 'answers', stays: true, ...(asker !== undefined && { asker }) };
      }),
      ...reserved.map((address): WireQuestion => ({ address, hears: 'claims' })),
    ];
    this.#conversation.change(questions);
    for (const { text } of gateways) if (!this.#since.has(text)) this.#since.set(text, now);
  }

  /** Records whether the link has a carrier. */
  setCarrier(isThere: boolean, now: number): void {
    if (isThere === this.#hasCarrier) return;
    this.#hasCarrier = isThere;
    // The link may now be connected to another network, so earlier answers are discarded.
    this.#heard.clear();
    this.#conversation.forgetOwners();
    for (const text of this.#since.keys()) this.#since.set(text, now);
    this.#askedAt = Number.NEGATIVE_INFINITY;
  }

  /** Probes the gateways if a probe is due. Throws the system's error. */
  ask(now: number): void {
    if (this.#gateways.length === 0 || !this.#hasCarrier) return;
    const quiet = Math.max(...this.#gateways.map((gateway) => this.#quiet(gateway, now)));
    const isEager = quiet > pace.calm && quiet < eagerFor;
    if (now - this.#askedAt < (isEager ? pace.eager : pace.calm)) return;
    this.#askedAt = now;
    // Another machine may have the gateway's address by now.
    if (isEager) this.#conversation.forgetOwners();
    this.#conversation.ask();
  }

  /** Processes received frames. Returns the claims to addresses other than the gateways'. Throws the system's error. */
  listen(now: number): readonly Claimant[] {
    for (let frames = 0; frames < mostFrames && this.#conversation.listen(); frames++);
    const { claimants } = this.#conversation;
    this.#conversation.forget();
    const gateways = new Set(this.#gateways.map(({ text }) => text));
    for (const { address } of claimants) if (gateways.has(address.text)) this.#heard.set(address.text, now);
    return claimants.filter(({ address }) => !gateways.has(address.text));
  }

  /** Returns the milliseconds since any of these gateways last answered. */
  quietFor(gateways: readonly Address[], now: number): number {
    if (!this.#hasCarrier) return Number.POSITIVE_INFINITY;
    let least = gateways.length === 0 ? 0 : Number.POSITIVE_INFINITY;
    for (const gateway of gateways) least = Math.min(least, this.#quiet(gateway, now));
    return least;
  }

  #quiet({ text }: Address, now: number): number {
    const heard = this.#heard.get(text);
    return heard === undefined ? unheard + now - (this.#since.get(text) ?? now) : now - heard;
  }

  close(): void {
    this.#conversation.close();
  }
}

/** Returns whether a link is up and has a carrier. */
export function hasCarrier(link: Link | undefined): boolean {
  return link?.up === true && link.carrier !== false;
}

/** Returns whether a socket error means that the link is down. The socket works again when the link comes up. */
export function isLinkDown(error: unknown): boolean {
  return codeOf(error) === 'ENETDOWN';
}
