import type { Level } from './allocation.ts';
import type { MoveReason } from './documents.ts';

/** What a member says about an address that it holds or moves. */
export interface Claim {
  readonly address: string;
  /** Grows with every holder. After a partition the claim with the higher epoch wins, then the node's name. */
  readonly epoch: number;
  /** `offer`: still held, and `to` shall prepare; `released`: no longer held, and `to` takes it now. */
  readonly phase: 'held' | 'offer' | 'released';
  readonly to?: string | undefined;
  readonly reason?: MoveReason | undefined;
}

/** A link of a member through which it receives forwarded connections. */
export interface PeerLink {
  /** Lower-case `aa:bb:…`. */
  readonly mac: string;
  /** Addresses on the link. */
  readonly addresses: readonly string[];
}

/** The election's part of a heartbeat. */
export interface PeerReport {
  readonly level: Level;
  /** Whether the sender hears the receiver. */
  readonly hears: boolean;
  /** Whether the process ends while its kernel goes on serving the connections of `draining`. */
  readonly isLeaving: boolean;
  readonly claims: readonly Claim[];
  /** Addresses that the sender can take from a member that offers them. */
  readonly prepared: readonly string[];
  /** Addresses of which the sender still serves connections although it does not hold them. */
  readonly draining: readonly string[];
  readonly links: readonly PeerLink[];
}
