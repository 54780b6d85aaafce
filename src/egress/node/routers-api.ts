import type { Flow } from '../../base/model/observed.ts';
import type { Redirect } from '../../base/model/redirect.ts';
import type { AnswerNames } from '../cni/change.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { AddressRival, AttachmentState } from '../model/state.ts';

/** What came of a configuration for a living router. */
export type ApplyOutcome =
  | { readonly kind: 'applied'; readonly added: number; readonly removed: number }
  /** Another pod may have it; nothing was changed. */
  | { readonly kind: 'needs-replacement'; readonly message: string }
  /** It is wrong; nothing was changed. */
  | { readonly kind: 'invalid'; readonly message: string }
  /** There is no such router any more. */
  | { readonly kind: 'gone' };

/** What came of new addresses for a living router. */
export type AnswersOutcome =
  /** `lost`: addresses that its names no longer have, as redirects. */
  | { readonly kind: 'changed'; readonly lost: readonly Redirect[] }
  | { readonly kind: 'unchanged' }
  /** There is no such router any more. */
  | { readonly kind: 'gone' };

/** What the wire says of a router. */
export interface WireAnswer {
  /** Gateways that answered, of those that were asked. */
  readonly gateways: readonly { readonly address: string; readonly answers: boolean }[];
  /** Who else says that a reserved address is theirs. */
  readonly conflicts: readonly AddressRival[];
  /** There are gateways, and none answered: another node may have the addresses by now. */
  readonly isCutOff: boolean;
}

/**
 * How the wire is asked: `open` by a router that has its addresses, `unnamed` by one that has none and must not say
 * that it has (an ARP probe of RFC 5227, a neighbour solicitation of RFC 4862 §5.4).
 */
export type AskingManner = 'open' | 'unnamed';

/** All that the daemon does to routers of its node, and sees of them. Calls block for milliseconds. */
export interface NodeRouters {
  /** Those that live: remembered since this boot, in a namespace that is still there. Never throws. */
  list(): readonly AttachmentState[];
  /** Whether the namespace of a router is still there. Costs microseconds. */
  isAlive(state: AttachmentState): boolean;
  /** Leads a router to the redirects of a configuration. Throws an Error where the kernel refused: nothing was changed. */
  apply(id: AttachmentId, configuration: unknown, answerNames?: AnswerNames): ApplyOutcome;
  /**
   * Leads a router to new addresses of its DNS names; established connections stay. Throws an Error where the kernel
   * refused: nothing was changed.
   */
  applyAnswers(id: AttachmentId, answerNames: AnswerNames): AnswersOutcome;
  /** Ends connections of redirects to these targets. Throws an Error. */
  endConnections(state: AttachmentState, redirects: readonly Redirect[]): void;
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
  ask(state: AttachmentState, manner?: AskingManner): Promise<WireAnswer>;
  /** Releases everything that is kept for other routers. */
  retain(states: readonly AttachmentState[]): void;
  /**
   * Closes its interface to the outside, which has no address afterwards: another machine has it. That is
   * remembered, also by the next daemon. Throws an Error.
   */
  close(state: AttachmentState, rival: AddressRival): void;
  /** Lets a closed interface hear and ask, without an address and without a route. Throws an Error. */
  listen(state: AttachmentState): void;
  /** Gives a closed interface its addresses and routes back, and announces them. Throws an Error; then it is as before. */
  reopen(state: AttachmentState): void;
}
