import type { Address, Family } from '../model/address.ts';
import type { ConnectionState } from '../model/rules.ts';

/** Where a chain stands: the hooks of netfilter that routed packets pass. */
export type ForeignHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** A packet as far as others' rules can look at it; what is not here is not known. */
export interface Probe {
  readonly family: Family;
  readonly protocol: string;
  readonly incoming?: string;
  readonly outgoing?: string;
  readonly source?: Address;
  readonly destination?: Address;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly state: ConnectionState;
  /** Whether it is of a connection whose destination was translated. */
  readonly isRedirected: boolean;
}

/** A condition: holds, does not hold, or cannot be told. */
export type Condition = (probe: Probe) => boolean | undefined;

/** What a rule does with a packet that meets its conditions. */
export type Verdict =
  | { readonly kind: 'drop' | 'return' }
  /** Ends the chain; `translates` the destination, where it does. */
  | { readonly kind: 'accept'; readonly translates?: true }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** Depends on a value that only the kernel looks up. */
  | {
      readonly kind: 'depends';
      readonly choose: (probe: Probe) => Verdict | undefined;
      /** All that it can be, each with the condition of it. */
      readonly choices: readonly { readonly condition: Condition; readonly verdict: Verdict }[];
    }
  /** Goes on to the next rule. */
  | { readonly kind: 'none' };

/** A rule of somebody else. */
export interface ForeignRule {
  readonly text: string;
  readonly conditions: readonly Condition[];
  readonly verdict: Verdict;
  /** Destination ports that the rule names: `80`, `80-90` or `80:90`. Absent where it names none. */
  readonly ports?: readonly string[];
}

/** A chain of somebody else, or of ours among theirs. */
export interface ForeignChain {
  readonly name: string;
  readonly rules: readonly ForeignRule[];
  readonly policy: 'accept' | 'drop';
  /** Absent for chains that others lead to. */
  readonly hook?: ForeignHook;
}

/** All chains of one table of one tool; names lead only within it. */
export interface ForeignTable {
  /** As people call it: `table inet firewalld`, `iptables -t filter`. */
  readonly title: string;
  readonly families: readonly Family[];
  readonly tool: 'nft' | 'iptables';
  readonly chains: readonly ForeignChain[];
}

/** Every rule of a namespace but those of our own tables. */
export interface Ruleset {
  readonly tables: readonly ForeignTable[];
  /** Tables and chains with our names, which may be stale: a title and the command that removes it. */
  readonly ours: readonly OwnRules[];
}

/** Rules under a name of ours, whoever's they are. */
export interface OwnRules {
  readonly backend: 'iptables' | 'nftables';
  /** The program's name: the interface. */
  readonly name: string;
  /** Absent where none is written beside them. */
  readonly owner?: string;
}
