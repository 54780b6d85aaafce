import type { Address } from '../../base/model/address.ts';
import type { AddressState } from '../addresses/documents.ts';
import type { Holding } from './holding.ts';

/** Sources of the holders of virtual addresses. */
export interface HoldingParts {
  /** The current report of `ingress-addresses`. Undefined: there is none. */
  readonly readState: () => AddressState | undefined;
  /** All addresses of this node. */
  readonly ownAddresses: () => readonly Address[];
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
}

/** Milliseconds for which an address may be free during a move before the status of its owner shows it. */
const grace = 10_000;

/**
 * Reports which virtual addresses an ingress node holds, as observed by `ingress-addresses`. Without that process,
 * only addresses that another program assigned to this node count as held.
 */
export class Holdings {
  readonly #parts: HoldingParts;
  readonly #clock: () => number;
  /** When an address was first seen to be free, by address. */
  readonly #freeSince = new Map<string, number>();

  constructor(parts: HoldingParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? (() => performance.now());
  }

  /** Returns whether an ingress node holds an address. */
  of(address: string): Holding {
    const reason = this.#findReason(address);
    if (reason === undefined) {
      this.#freeSince.delete(address);
      return { state: 'held' };
    }
    const now = this.#clock();
    const since = this.#freeSince.get(address) ?? now;
    this.#freeSince.set(address, since);
    return now - since < grace ? { state: 'waiting' } : { state: 'free', reason };
  }

  /** Returns why an address is free. Undefined: it is held. */
  #findReason(address: string): string | undefined {
    const state = this.#parts.readState();
    if (state === undefined) {
      const isHere = this.#parts.ownAddresses().some(({ text }) => text === address);
      return isHere ? undefined : 'no ingress node reports that it holds virtual addresses';
    }
    const known = state.addresses.find((one) => one.address === address);
    if (known === undefined) return 'the ingress nodes do not know the address yet';
    switch (known.state) {
      case 'held':
      case 'elsewhere':
      case 'handing-over':
        return undefined;
      case 'conflict':
        return 'another machine, which is not an ingress node, answers for it';
      case 'nobody':
        return 'no ingress node is ready to hold it';
    }
  }
}
