import type { Level } from './allocation.ts';
import type { MoveReason } from './documents.ts';

/** A member's claim of an address that it holds or moves. */
export interface Claim {
  readonly address: string;
  /** Increases with every holder. After a partition the claim with the higher epoch wins, then the lower node name. */
  readonly epoch: number;
  /** `offer`: still held, and `to` must prepare; `released`: no longer held, and `to` takes it now. */
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
  /** Whether the process is exiting while its kernel continues to serve the connections of `draining`. */
  readonly isLeaving: boolean;
  readonly claims: readonly Claim[];
  /** Addresses that the sender can take if a member offers them. */
  readonly prepared: readonly string[];
  /** Addresses whose connections the sender still serves although it does not hold them. */
  readonly draining: readonly string[];
  readonly links: readonly PeerLink[];
}
