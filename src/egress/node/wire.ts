import { codeOf } from '../../base/linux/libc/calls.ts';
import { WireConversation, type WireQuestion } from '../../base/linux/wire-probe.ts';
import type { Address } from '../../base/model/address.ts';
import type { Link } from '../../base/model/network.ts';
import type { Claimant } from '../../base/model/observed.ts';

/** Milliseconds between probes of a gateway that answers, and of one that missed the last probe. */
const pace = { calm: 1000, eager: 300 };

/** Milliseconds after which a gateway that does not answer is asked at the calm pace again. */
const eagerFor = 3000;

/**
 * Milliseconds for which a gateway counts as quiet that has not answered yet: long enough that the daemon does not ask
 * in a router's name, on a wire that may have been cut while no daemon ran.
 */
const unheard = 1500;

/** Frames that are taken in at one look: a wire full of questions of others must not hold us up. */
const mostFrames = 64;

/** Addresses that a wire is asked for, and listened for. */
export interface WireInterest {
  readonly gateways: readonly Address[];
  /** Addresses of routers: who claims one is heard, and none is asked for. */
  readonly reserved: readonly Address[];
}

/** One wire, seen from a link of the namespace in which it was opened. */
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
   * Opens its sockets. Throws the system's error.
   *
   * @param asker link-local address of the link, so that gateways answer it and not everybody; IPv4 needs none
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

  /** Says what of the wire is of interest. Throws the system's error. */
  attend({ gateways, reserved }: WireInterest, now: number): void {
    this.#gateways = gateways;
    const questions = [
      ...gateways.map((address): WireQuestion => {
        const asker = address.family === 6 ? this.#asker : undefined;
        return { address, hears: 'answers', ...(asker !== undefined && { asker }) };
      }),
      ...reserved.map((address): WireQuestion => ({ address, hears: 'claims' })),
    ];
    this.#conversation.change(questions);
    for (const { text } of gateways) if (!this.#since.has(text)) this.#since.set(text, now);
  }

  /** Says whether the link has a carrier now. */
  setCarrier(isThere: boolean, now: number): void {
    if (isThere === this.#hasCarrier) return;
    this.#hasCarrier = isThere;
    // What was heard before says nothing of the wire that is there now.
    this.#heard.clear();
    for (const text of this.#since.keys()) this.#since.set(text, now);
    this.#askedAt = Number.NEGATIVE_INFINITY;
  }

  /** Asks the gateways if it is time. Throws the system's error. */
  ask(now: number): void {
    if (this.#gateways.length === 0 || !this.#hasCarrier) return;
    const quiet = Math.max(...this.#gateways.map((gateway) => this.#quiet(gateway, now)));
    const isEager = quiet > pace.calm && quiet < eagerFor;
    if (now - this.#askedAt < (isEager ? pace.eager : pace.calm)) return;
    this.#askedAt = now;
    this.#conversation.ask();
  }

  /** Takes in what was said; returns who claimed an address that is no gateway's. Throws the system's error. */
  listen(now: number): readonly Claimant[] {
    for (let frames = 0; frames < mostFrames && this.#conversation.listen(); frames++);
    const { claimants } = this.#conversation;
    this.#conversation.forget();
    const gateways = new Set(this.#gateways.map(({ text }) => text));
    for (const { address } of claimants) if (gateways.has(address.text)) this.#heard.set(address.text, now);
    return claimants.filter(({ address }) => !gateways.has(address.text));
  }

  /** Returns for how many milliseconds none of these gateways has answered. */
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

/** Whether a link carries frames. */
export function hasCarrier(link: Link | undefined): boolean {
  return link?.up === true && link.carrier !== false;
}

/** Whether an error of a socket says that its link went down, which it may come back from. */
export function isLinkDown(error: unknown): boolean {
  return codeOf(error) === 'ENETDOWN';
}
