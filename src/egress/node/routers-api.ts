import type { Flow } from '../../base/model/observed.ts';
import type { Redirect } from '../../base/model/redirect.ts';
import type { AnswerNames } from '../cni/change.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { AddressRival, AttachmentState } from '../model/state.ts';

/** Result of applying a configuration to a running router. */
export type ApplyOutcome =
  | { readonly kind: 'applied'; readonly added: number; readonly removed: number }
  /** Another pod could have it. Nothing was changed. */
  | { readonly kind: 'needs-replacement'; readonly message: string }
  /** It is invalid. Nothing was changed. */
  | { readonly kind: 'invalid'; readonly message: string }
  /** The router no longer exists. */
  | { readonly kind: 'gone' };

/** What came of new addresses for a living router. */
export type AnswersOutcome =
  /** `lost`: addresses that its names no longer have, as redirects. */
  | { readonly kind: 'changed'; readonly lost: readonly Redirect[] }
  | { readonly kind: 'unchanged' }
  /** There is no such router any more. */
  | { readonly kind: 'gone' };

/** Result of probing the link of a router. */
export interface WireAnswer {
  /** The probed gateways, and whether they answered. */
  readonly gateways: readonly { readonly address: string; readonly answers: boolean }[];
  /** Other machines that claim a reserved address. */
  readonly conflicts: readonly AddressRival[];
  /** There are gateways but none answered, so another node may have the addresses. */
  readonly isCutOff: boolean;
}

/**
 * How to probe: `open` for a router with its addresses, `unnamed` for one without, which must not claim any (an ARP
 * probe of RFC 5227, a neighbor solicitation of RFC 4862 §5.4).
 */
export type AskingManner = 'open' | 'unnamed';

/** Everything that the daemon does to routers of its node and reads from them. Calls block for milliseconds. */
export interface NodeRouters {
  /** Returns the running routers: those with a state file of this boot and an existing namespace. Never throws. */
  list(): readonly AttachmentState[];
  /** Why routers may be missing from the last list; undefined: none is. Never throws. */
  readonly blindness: string | undefined;
  /** Whether the namespace of a router is still there. Costs microseconds. */
  isAlive(state: AttachmentState): boolean;
  /**
   * Applies the redirects of a configuration to a router. Throws an Error if the kernel rejects the change; nothing
   * was changed then.
   */
  apply(id: AttachmentId, configuration: unknown, answerNames?: AnswerNames): ApplyOutcome;
  /**
   * Leads a router to new addresses of its DNS names; established connections stay. Throws an Error where the kernel
   * refused: nothing was changed.
   */
  applyAnswers(id: AttachmentId, answerNames: AnswerNames): AnswersOutcome;
  /** Ends connections of redirects to these targets. Throws an Error. */
  endConnections(state: AttachmentState, redirects: readonly Redirect[]): void;
  /** Returns the tracked connections that the router redirected. Throws an Error. */
  listFlows(state: AttachmentState): readonly Flow[];
  /** Returns the differences between a router and what ADD installed, one line each. Throws an Error. */
  check(state: AttachmentState): readonly string[];
  /** What of its interface, addresses and routes keeps the router from working, each with a cure. Throws an Error. */
  listProblems(state: AttachmentState): readonly string[];
  /** Routers whose interfaces, addresses or routes changed since the last call. Costs one system call. Never throws. */
  listChanged(): readonly AttachmentState[];
  /** Tells the neighbours where its addresses are; a router that was never asked for, or has no carrier, says nothing. Throws an Error. */
  announce(state: AttachmentState): void;
  /**
   * Probes gateways and other owners of the addresses, and resolves after some milliseconds without blocking. Rejects
   * with an Error.
   */
  ask(state: AttachmentState, manner?: AskingManner): Promise<WireAnswer>;
  /** Releases all resources of other routers. */
  retain(states: readonly AttachmentState[]): void;
  /**
   * Lets nothing that the kernel sends leave by its interface; questions of {@link ask} do. It keeps addresses, routes
   * and connections. Takes a millisecond, and waits for no other call. Throws an Error.
   */
  suspend(state: AttachmentState): void;
  /** Whether a daemon suspended it. Throws an Error. */
  isSuspended(state: AttachmentState): boolean;
  /** Undoes {@link suspend}. Throws an Error. */
  resume(state: AttachmentState): void;
  /**
   * Closes its interface to the outside, which has no address afterwards: another machine has it. That is
   * remembered, also by the next daemon. Throws an Error.
   */
  close(state: AttachmentState, rival: AddressRival): void;
  /** Enables a closed interface to receive and to probe, without an address and without a route. Throws an Error. */
  listen(state: AttachmentState): void;
  /**
   * Restores addresses and routes of a closed interface and announces them. Throws an Error; nothing was changed
   * then.
   */
  reopen(state: AttachmentState): void;
}
