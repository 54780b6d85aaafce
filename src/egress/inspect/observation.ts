import type { Ruleset } from '../../base/firewall/chain.ts';
import type { Family } from '../../base/model/address.ts';
import type { NamespaceSnapshot, NodeSnapshot } from '../../base/model/network.ts';
import type { Claimant, Flow, Neighbour, RouteAnswer, RouteQuestion } from '../../base/model/observed.ts';
import type { Redirect } from '../../base/model/redirect.ts';
import type { AttachmentState } from '../model/state.ts';
import type { Desired } from '../plan/desired.ts';
import type { Resolved } from '../plan/resolve.ts';

/** A route lookup and its result. */
export interface Way {
  readonly family: Family;
  /** Client to destination, the replies, or (`own`) the pod's own traffic to a destination. */
  readonly direction: 'outward' | 'inward' | 'own';
  readonly question: RouteQuestion;
  readonly answer: RouteAnswer;
}

/** Result of a test connection from the pod to a target. */
export interface Attempt {
  readonly target: string;
  /** `connected`; for UDP `answered` or `no answer`; or the error, such as `ETIMEDOUT` or `ECONNREFUSED`. */
  readonly outcome: string;
  /** Milliseconds. */
  readonly took: number;
}

/** Everything observed of one attachment at one moment; the only input of findings, traces and reports. */
export interface Observation {
  /** From the state file, or reconstructed from the namespace if there is none. */
  readonly state: AttachmentState;
  readonly isRemembered: boolean;
  /** Path of the network namespace, for commands in cures. */
  readonly netns: string;
  readonly resolved: Resolved;
  readonly desired: Desired;
  readonly pod: NamespaceSnapshot;
  readonly node: NodeSnapshot;
  /** The other attachments in the namespace. */
  readonly others: readonly AttachmentState[];
  /** The router's own rules as the backend lists them, and their differences from the desired ones. */
  readonly rules: readonly string[];
  readonly ruleDifferences: readonly string[];
  /** The iptables variant that installed the rules, if PATH has another one; then rules cannot be compared. */
  readonly otherVariant?: string;
  readonly ruleset: Ruleset;
  /** Rules of the node, which connections to the pod pass. Absent: not read. */
  readonly nodeRuleset?: Ruleset;
  /** Bridges of the node by the families whose frames bypass the node's rules. Absent: not read. */
  readonly unfilteredBridges?: Readonly<Record<Family, readonly string[]>>;
  readonly neighbours: readonly Neighbour[];
  /** Whether the node daemon has suspended the router: its interface sends nothing. */
  readonly isSuspended?: boolean;
  /** Absent if the network was not probed. */
  readonly claimants?: readonly Claimant[];
  readonly ways: readonly Way[];
  readonly flows: readonly Flow[];
  /** Tracked connections and their limit; absent if the kernel does not report them. */
  readonly tracking?: {
    readonly count: number;
    readonly maximum: number;
    /** Timeout of an unanswered TCP connection, in seconds. */
    readonly synSentTimeout: number;
  };
  readonly attempts: readonly Attempt[];
}

/** An installed redirect with the counter of its rule. */
export interface InstalledRedirect extends Redirect {
  /** Connections opened since the rule was installed; absent if the backend does not count them. */
  readonly opened?: number;
}
