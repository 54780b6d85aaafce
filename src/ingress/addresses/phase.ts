import type { Level } from './allocation.ts';
import type { MoveReason, WantedAddress } from './documents.ts';
import type { Claim } from './peer-report.ts';

/** Context of a phase. */
export interface ElectionInput {
  /** Nodes of the members except this one. */
  readonly members: readonly string[];
  readonly addresses: readonly Pick<WantedAddress, 'address' | 'eligibleNodes'>[];
  /** Of this node. */
  readonly level: Level;
  /** Why the level is below 2. */
  readonly why?: MoveReason | undefined;
}

/** A command to the caller of the election, which reports completion with the method named beside it. */
export type Command =
  /** Probe the link for an owner of the address, then `probed`. */
  | { readonly do: 'probe'; readonly address: string }
  /** Add the address to its interface and announce it, then `took` or `lost`. */
  | { readonly do: 'take'; readonly address: string }
  /** Forward connections that this node does not know to `from`, then `prepared`. */
  | { readonly do: 'prepare'; readonly address: string; readonly from: string }
  /** Move the address to `lo`, where nothing answers for it, then `hid`. */
  | { readonly do: 'hide'; readonly address: string }
  /** Announce a held address again. */
  | { readonly do: 'announce'; readonly address: string };

/** Result of a probe: no answer, an answer of a member, or one of another machine with this hardware address. */
export type ProbeResult = 'free' | 'member' | { readonly rival: string };

/** This node's state of an address. */
export type Phase =
  | { readonly is: 'idle' }
  | { readonly is: 'probing' }
  | { readonly is: 'preparing' | 'prepared'; readonly from: string }
  | { readonly is: 'taking' | 'held'; readonly epoch: number }
  | Leaving<'offering'>
  | { readonly is: 'hiding'; readonly epoch: number; readonly to?: string; readonly reason: MoveReason }
  | Leaving<'released'>;

interface Leaving<Name extends string> {
  readonly is: Name;
  readonly epoch: number;
  readonly to: string;
  readonly reason: MoveReason;
  readonly since: number;
}

/** Whether the address is, or is about to be, on this node's interface. */
export function isHolding({ is }: Phase): boolean {
  return is === 'taking' || is === 'held' || is === 'offering';
}

/** Returns this node's claim of an address for its heartbeats. */
export function claimOf(address: string, phase: Phase): Claim | undefined {
  if (phase.is === 'taking' || phase.is === 'held') return { address, epoch: phase.epoch, phase: 'held' };
  if (phase.is !== 'offering' && phase.is !== 'hiding' && phase.is !== 'released') return undefined;
  const { epoch, to, reason } = phase;
  const word = phase.is === 'released' ? 'released' : to === undefined ? 'held' : 'offer';
  return { address, epoch, phase: word, to, reason };
}

/** The state of an address for people and metrics. */
export interface AddressView {
  readonly address: string;
  readonly state: 'held' | 'elsewhere' | 'nobody' | 'conflict' | 'handing-over';
  readonly holder?: string | undefined;
  readonly next?: string | undefined;
  readonly rival?: string | undefined;
}
