import type { Ruleset } from '../../base/firewall/chain.ts';
import type { Family } from '../../base/model/address.ts';
import type { NamespaceSnapshot, NodeSnapshot } from '../../base/model/network.ts';
import type { Claimant, Flow, Neighbour, RouteAnswer, RouteQuestion } from '../../base/model/observed.ts';
import type { Redirect } from '../../base/model/redirect.ts';
import type { AttachmentState } from '../model/state.ts';
import type { Desired } from '../plan/desired.ts';
import type { Resolved } from '../plan/resolve.ts';

/** A way that the kernel was asked for. */
export interface Way {
  readonly family: Family;
  /** From a client to a destination, or back; `own` is what the pod itself sends to a destination. */
  readonly direction: 'outward' | 'inward' | 'own';
  readonly question: RouteQuestion;
  readonly answer: RouteAnswer;
}

/** What came of a connection that was tried from the pod to a target. */
export interface Attempt {
  readonly target: string;
  /** `connected`, of a datagram `answered` or `no answer`, or the reason why not, such as `ETIMEDOUT`, `ECONNREFUSED` or `EHOSTUNREACH`. */
  readonly outcome: string;
  /** Milliseconds. */
  readonly took: number;
}

/** Everything that was seen of one attachment, at one moment. Whatever is said about it follows from this. */
export interface Observation {
  /** What is remembered; where nothing is, what could be reconstructed. */
  readonly state: AttachmentState;
  readonly isRemembered: boolean;
  /** Path by which the namespace was entered, for commands in cures. */
  readonly netns: string;
  readonly resolved: Resolved;
  readonly desired: Desired;
  readonly pod: NamespaceSnapshot;
  readonly node: NodeSnapshot;
  /** The other attachments in the namespace. */
  readonly others: readonly AttachmentState[];
  /** Our own rules as the backend lists them, and how they differ from what they should be. */
  readonly rules: readonly string[];
  readonly ruleDifferences: readonly string[];
  /** The program that lists the rules, where it is not the one in PATH: then they cannot be compared. */
  readonly otherVariant?: string;
  readonly ruleset: Ruleset;
  readonly neighbours: readonly Neighbour[];
  /** Absent where nobody was asked. */
  readonly claimants?: readonly Claimant[];
  readonly ways: readonly Way[];
  readonly flows: readonly Flow[];
  /** Connections tracked and the most that can be; absent where the kernel does not say. */
  readonly tracking?: {
    readonly count: number;
    readonly maximum: number;
    /** Seconds after which a connection that nobody answers is forgotten. */
    readonly synSentTimeout: number;
  };
  readonly attempts: readonly Attempt[];
}

/** A redirect that is installed, with what its rule counted. */
export interface InstalledRedirect extends Redirect {
  /** Connections opened since the rule was installed; absent where the backend does not count. */
  readonly opened?: number;
}
