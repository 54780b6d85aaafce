import type { Flow } from '../../base/model/observed.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { AttachmentState } from '../model/state.ts';

/** What came of a configuration for a living router. */
export type ApplyOutcome =
  | { readonly kind: 'applied'; readonly added: number; readonly removed: number }
  /** Another pod may have it; nothing was changed. */
  | { readonly kind: 'needs-replacement'; readonly message: string }
  /** It is wrong; nothing was changed. */
  | { readonly kind: 'invalid'; readonly message: string }
  /** There is no such router any more. */
  | { readonly kind: 'gone' };

/** What the wire says of a router. */
export interface WireAnswer {
  /** Gateways that answered, of those that were asked. */
  readonly gateways: readonly { readonly address: string; readonly answers: boolean }[];
  /** Who else says that a reserved address is theirs. */
  readonly conflicts: readonly { readonly address: string; readonly mac: string }[];
  /** There are gateways, and none answered: another node may have the addresses by now. */
  readonly isCutOff: boolean;
}

/** All that the daemon does to routers of its node, and sees of them. Calls block for milliseconds. */
export interface NodeRouters {
  /** Those that live: remembered since this boot, in a namespace that is still there. Never throws. */
  list(): readonly AttachmentState[];
  /** Whether the namespace of a router is still there. Costs microseconds. */
  isAlive(state: AttachmentState): boolean;
  /** Leads a router to the redirects of a configuration. Throws an Error where the kernel refused: nothing was changed. */
  apply(id: AttachmentId, configuration: unknown): ApplyOutcome;
  /** Connections that the router redirected and that its namespace still tracks. Throws an Error. */
  listFlows(state: AttachmentState): readonly Flow[];
  /** How the router differs from what ADD left, a line each. Throws an Error. */
  check(state: AttachmentState): readonly string[];
  /** Tells the neighbours where its addresses are; a router that was never asked for, or has no carrier, says nothing. Throws an Error. */
  announce(state: AttachmentState): void;
  /**
   * Asks gateways and everybody else on the wire, and tells the answer after some milliseconds, in which
   * nothing blocks. Rejects with an Error.
   */
  ask(state: AttachmentState): Promise<WireAnswer>;
  /** Lets go of all that is kept of other routers than these. */
  retain(states: readonly AttachmentState[]): void;
  /** Closes its interface to the outside: the address is somebody else's. Throws an Error. */
  close(state: AttachmentState): void;
}
