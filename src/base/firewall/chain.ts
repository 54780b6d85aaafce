import type { Address, Family } from '../model/address.ts';
import type { ConnectionState } from '../model/rules.ts';

/** Hooks of netfilter that routed packets pass. */
export type ForeignHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** The fields of a packet that rules can match. An absent field is unknown. */
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
  /** Whether the packet belongs to a connection with a translated destination. */
  readonly isRedirected: boolean;
  /** Whether the destination is an address of the namespace. Absent: unknown. */
  readonly isLocal?: boolean;
}

/** A condition of a rule: true, false, or undefined if it cannot be decided. */
export type Condition = (probe: Probe) => boolean | undefined;

/** What a rule does with a packet that meets its conditions. */
export type Verdict =
  | { readonly kind: 'drop' | 'return' }
  /** Ends the chain. The rule may also translate the destination or the source. */
  | { readonly kind: 'accept'; readonly translates?: true; readonly translatesSource?: true }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** Depends on a value that only the kernel can look up. */
  | {
      readonly kind: 'depends';
      readonly choose: (probe: Probe) => Verdict | undefined;
      /** Every possible verdict, with its condition. */
      readonly choices: readonly { readonly condition: Condition; readonly verdict: Verdict }[];
    }
  /** Continues with the next rule. */
  | { readonly kind: 'none' };

/** A rule of another program. */
export interface ForeignRule {
  readonly text: string;
  readonly conditions: readonly Condition[];
  readonly verdict: Verdict;
  /** Destination ports that the rule names: `80`, `80-90` or `80:90`. Absent if it names none. */
  readonly ports?: readonly string[];
  /** Whether it excludes packets from connection tracking, and so from translation. */
  readonly untracks?: true;
  /** Whether it does something that the listing does not tell, such as an unknown target. */
  readonly isOpaque?: true;
}

/** A chain of another program, or one of our chains in a table that other programs share. */
export interface ForeignChain {
  readonly name: string;
  readonly rules: readonly ForeignRule[];
  readonly policy: 'accept' | 'drop';
  /** Absent for chains that are reached only by a jump. */
  readonly hook?: ForeignHook;
  /** Whether it is a base chain that translates. The first packet of a connection passes such chains only. */
  readonly isNat?: true;
  /** Order among the base chains of a hook; the lowest is first. Absent: unknown. */
  readonly priority?: number;
}

/** All chains of one table of one tool. Jumps cannot leave the table. */
export interface ForeignTable {
  /** The usual name of the table: `table inet firewalld`, `iptables -t filter`. */
  readonly title: string;
  readonly families: readonly Family[];
  readonly tool: 'nft' | 'iptables';
  readonly chains: readonly ForeignChain[];
  /** Tables that were created later have higher numbers. Absent: unknown. */
  readonly order?: number;
}

/** Every rule of a network namespace except those in our own tables. */
export interface Ruleset {
  readonly tables: readonly ForeignTable[];
  /** Tables and chains with our names, which may be stale. */
  readonly ours: readonly OwnRules[];
}

/** Rules under one of our names, regardless of who created them. */
export interface OwnRules {
  readonly backend: 'iptables' | 'nftables';
  /** Name of the rule program, which is the interface. */
  readonly name: string;
  /** Absent if the rules have no owner comment. */
  readonly owner?: string;
  /** As {@link ForeignTable.order}. */
  readonly order?: number;
}
