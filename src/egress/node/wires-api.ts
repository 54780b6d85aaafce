import type { AddressRival, AttachmentState } from '../model/state.ts';

/** Another machine said that it has a router's address. */
export interface WireClaim {
  readonly state: AttachmentState;
  readonly rival: AddressRival;
}

/**
 * The wires of this node's routers, one for each master: whether their gateways answer, and who claims a router's
 * address. The daemon asks in the name of the master and never in a router's, so it may ask at any time.
 */
export interface Wires {
  /** Follows the wires of these routers and of no others. Never throws. */
  retain(states: readonly AttachmentState[]): void;
  /**
   * Asks the gateways where that is due, and returns the claims since the last call. Call it every few milliseconds:
   * it never waits, and costs one system call while nothing happens. Never throws.
   *
   * @param now milliseconds of a monotonic clock
   */
  turn(now: number): readonly WireClaim[];
  /**
   * Returns for how many milliseconds none of a router's gateways has answered; Infinity without a carrier, 0 for a
   * router without a known gateway.
   */
  quietFor(state: AttachmentState, now: number): number;
  /** Closes the sockets. */
  close(): void;
}
