import type { Flow } from '../../base/model/observed.ts';
import type { AnswerNames } from '../cni/change.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { AddressRival, AttachmentState } from '../model/state.ts';
import type { LostTargets } from './drains.ts';

/** Result of applying a configuration to a running router. */
export type ApplyOutcome =
  | { readonly kind: 'applied'; readonly added: number; readonly removed: number }
  /** The configuration is valid but requires a new pod. Nothing was changed. */
  | { readonly kind: 'needs-replacement'; readonly message: string }
  /** The configuration is invalid. Nothing was changed. */
  | { readonly kind: 'invalid'; readonly message: string }
  /** Another router of the pod redirects the same port. Nothing was changed. */
  | { readonly kind: 'conflict'; readonly message: string }
  /** The router no longer exists. */
  | { readonly kind: 'gone' };

/** Result of applying new addresses of DNS names to a running router. */
export type AnswersOutcome =
  /** `lost`: number of targets of redirects that its names no longer have. */
  | { readonly kind: 'changed'; readonly lost: number }
  | { readonly kind: 'unchanged' }
  /** The router no longer exists. */
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

/** Result of comparing a router with the result of ADD. */
export interface CheckOutcome {
  /** One line each. */
  readonly differences: readonly string[];
  /** As {@link NodeRouters.listProblems}. */
  readonly problems: readonly string[];
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
  /** Why routers may be missing from the last list, or undefined if it is complete. Never throws. */
  readonly blindness: string | undefined;
  /** Returns whether the network namespace of a router still exists. Takes microseconds. */
  isAlive(state: AttachmentState): boolean;
  /**
   * Applies the redirects of a configuration to a router. Throws an Error and changes nothing if the kernel rejects the
   * change.
   */
  apply(id: AttachmentId, configuration: unknown, answerNames?: AnswerNames): ApplyOutcome;
  /**
   * Applies new addresses of DNS names to a router. Established connections are not affected. Throws an Error and
   * changes nothing if the kernel rejects the change.
   */
  applyAnswers(id: AttachmentId, answerNames: AnswerNames): AnswersOutcome;
  /** Ends the tracked connections to addresses that names of a router lost. Throws an Error. */
  endConnections(state: AttachmentState, lost: LostTargets): void;
  /** Returns the tracked connections that the router redirected. Throws an Error. */
  listFlows(state: AttachmentState): readonly Flow[];
  /** Compares a router with the result of ADD. Throws an Error. */
  check(state: AttachmentState): CheckOutcome;
  /** Returns problems of the interface, addresses and routes of a router, each with a remedy. Throws an Error. */
  listProblems(state: AttachmentState): readonly string[];
  /** Returns routers whose interface, addresses or routes changed since the last call. Cheap. Never throws. */
  listChanged(): readonly AttachmentState[];
  /**
   * Announces the addresses of a router to its neighbors. Does nothing before the first {@link ask} or without a
   * carrier. Throws an Error.
   */
  announce(state: AttachmentState): void;
  /**
   * Probes gateways and other owners of the addresses, and resolves after some milliseconds without blocking. Rejects
   * with an Error.
   */
  ask(state: AttachmentState, manner?: AskingManner): Promise<WireAnswer>;
  /** Releases the resources of all routers except these. */
  retain(states: readonly AttachmentState[]): void;
  /**
   * Drops all packets that the kernel sends on a router's interface; probes of {@link ask} still pass. Keeps addresses,
   * routes and connections. Takes about a millisecond and does not wait for other calls. Throws an Error.
   */
  suspend(state: AttachmentState): void;
  /** Returns whether this or a previous daemon suspended a router. Throws an Error. */
  isSuspended(state: AttachmentState): boolean;
  /** Undoes {@link suspend}. Throws an Error. */
  resume(state: AttachmentState): void;
  /**
   * Closes a router whose address another machine uses, and removes the address from its interface. The state file
   * records the closure for the next daemon. Throws an Error.
   */
  close(state: AttachmentState, rival: AddressRival): void;
  /** Enables a closed interface to receive and to probe, without an address and without a route. Throws an Error. */
  listen(state: AttachmentState): void;
  /**
   * Restores the addresses and routes of a closed interface and announces the addresses. Throws an Error and changes
   * nothing if the kernel rejects the change.
   */
  reopen(state: AttachmentState): void;
}
