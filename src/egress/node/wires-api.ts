import type { AddressRival, AttachmentState } from '../model/state.ts';

/** A claim of another machine to the address of a router. */
export interface WireClaim {
  readonly state: AttachmentState;
  readonly rival: AddressRival;
}

/**
 * The wires of this node's routers, one for each master: reports whether their gateways answer and which machines claim
 * a router's address. The daemon probes from the master's address and never from a router's, so probing is always safe.
 */
export interface Wires {
  /** Observes the wires of exactly these routers. Never throws. */
  retain(states: readonly AttachmentState[]): void;
  /**
   * Probes the gateways that are due and returns the claims since the last call. Call this several times a second: it
   * never blocks, and costs one system call while no frame arrives. Never throws.
   *
   * @param now milliseconds of a monotonic clock
   */
  turn(now: number): readonly WireClaim[];
  /**
   * Returns the milliseconds since any of a router's gateways last answered; Infinity without a carrier, 0 for a router
   * without a known gateway.
   */
  quietFor(state: AttachmentState, now: number): number;
  /** Returns the hardware address of a router's interface; undefined if it cannot be read. Never throws. */
  macOf(state: AttachmentState): string | undefined;
  /** Closes the sockets. */
  close(): void;
}
