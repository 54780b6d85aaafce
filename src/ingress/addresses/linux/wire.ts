import { WireConversation, type WireQuestion } from '../../../base/linux/wire-probe.ts';
import type { Address } from '../../../base/model/address.ts';
import type { Link } from '../../../base/model/network.ts';
import type { Claimant } from '../../../base/model/observed.ts';

/**
 * Sends probes and announcements on one link, and receives the claims of other machines for watched and probed
 * addresses.
 */
export class Wire {
  readonly #link: Pick<Link, 'index' | 'mac'>;
  readonly #onProblem: (error: unknown) => void;
  #conversation: WireConversation | undefined;
  /** Whether addresses changed since the sockets' filters were set. */
  #isStale = false;
  #isAsking = false;
  /** Number of probes that could not be sent. */
  failures = 0;
  #watched = new Map<string, Address>();
  readonly #probes = new Map<string, { readonly address: Address; readonly claimants: Set<string> }>();

  /** @param onProblem receives the system's error when a probe cannot be sent, for example because the link is down */
  constructor(link: Pick<Link, 'index' | 'mac'>, onProblem: (error: unknown) => void) {
    this.#link = link;
    this.#onProblem = onProblem;
  }

  /** Replaces the addresses whose claims by others are reported. */
  watch(addresses: readonly Address[]): void {
    const isSame = addresses.length === this.#watched.size && addresses.every(({ text }) => this.#watched.has(text));
    if (isSame) return;
    this.#watched = new Map(addresses.map((address) => [address.text, address]));
    this.#isStale = true;
  }

  /** Probes for the owner of an address. Collects answers until {@link endProbe}. */
  startProbe(address: Address): void {
    this.#probes.set(address.text, { address, claimants: new Set() });
    this.#isStale = true;
    this.repeatProbes();
  }

  /** Sends all open probes again, once for all callers of this turn of the event loop. */
  repeatProbes(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    setImmediate(() => {
      this.#isAsking = false;
      try {
        this.#opened()?.ask();
      } catch (error) {
        this.close();
        this.failures++;
        this.#onProblem(error);
      }
    });
  }

  /** Returns the hardware addresses of the machines that answered. */
  endProbe(text: string): string[] {
    const probe = this.#probes.get(text);
    this.#probes.delete(text);
    this.#isStale = true;
    return [...(probe?.claimants ?? [])];
  }

  /** Announces a watched address. Throws the system's error. */
  announce(address: Address): void {
    this.#opened()?.announce(address);
  }

  /** Reads the received frames and returns claims of watched addresses. Throws the system's error. */
  poll(): Claimant[] {
    const conversation = this.#opened();
    if (conversation === undefined) return [];
    // A flood of frames must not block the event loop.
    for (let frames = 0; frames < 500 && conversation.listen(); frames++);
    const { claimants } = conversation;
    if (claimants.length === 0) return [];
    conversation.forget();
    for (const { address, mac } of claimants) this.#probes.get(address.text)?.claimants.add(mac);
    return claimants.filter(({ address }) => this.#watched.has(address.text));
  }

  /** Closes the sockets. The next use opens them again. */
  close(): void {
    this.#conversation?.close();
    this.#conversation = undefined;
  }

  #opened(): WireConversation | undefined {
    if (this.#conversation === undefined || this.#isStale) this.#change();
    return this.#conversation;
  }

  #change(): void {
    this.#isStale = false;
    const probing = Array.from(this.#probes.values(), ({ address }): WireQuestion => ({ address }));
    const watching = [...this.#watched.values()]
      .filter(({ text }) => !this.#probes.has(text))
      .map((address): WireQuestion => ({ address, hears: 'claims' }));
    const questions = [...probing, ...watching];
    if (this.#conversation === undefined) {
      if (questions.length > 0) this.#conversation = new WireConversation(this.#link, questions, 0);
    } else this.#conversation.change(questions);
  }
}
