import type { Address, Family, Prefix } from './address.ts';
import type { Protocol } from './redirect.ts';

/** Where in a packet's way a chain stands: a table of iptables and a netfilter hook. */
export type Hook =
  | 'mangle-prerouting'
  | 'nat-prerouting'
  | 'filter-input'
  | 'filter-forward'
  | 'mangle-output'
  | 'mangle-postrouting'
  | 'nat-postrouting';

/** States of connection tracking. */
export type ConnectionState = 'new' | 'established' | 'related' | 'invalid' | 'untracked';

/** One condition on a packet. All conditions of a rule must hold. */
export type Match =
  | { readonly on: 'incoming' | 'outgoing'; readonly link: string; readonly not?: true }
  | { readonly on: 'protocol'; readonly protocol: Protocol | 'icmpv6'; readonly not?: true }
  | { readonly on: 'ports'; readonly protocol: Protocol; readonly from: number; readonly to: number }
  | { readonly on: 'source'; readonly prefix: Prefix; readonly not?: true }
  /** Addressed to an address of this namespace. */
  | { readonly on: 'local-destination' }
  /** Bits of the packet's mark, or of its connection's. Packets without a connection have no connection mark. */
  | {
      readonly on: 'mark' | 'connection-mark';
      readonly value: number;
      readonly mask: number;
      readonly not?: true;
    }
  | { readonly on: 'state'; readonly states: readonly ConnectionState[] }
  /** Whether the connection's destination or source was translated. */
  | { readonly on: 'translated'; readonly part: 'destination' | 'source'; readonly not?: true }
  /** Whether this is not the first packet of its connection, whatever its state: what is translated was decided then. */
  | { readonly on: 'confirmed' }
  | { readonly on: 'direction'; readonly direction: 'original' | 'reply' }
  /** ICMPv6 message types, by number. */
  | { readonly on: 'icmpv6-type'; readonly type: number };

/** What happens to a packet that matches. */
export type Action =
  | { readonly do: 'accept' | 'drop' | 'return' }
  | { readonly do: 'reject'; readonly with: 'tcp-reset' | 'port-unreachable' }
  /** Sets the masked bits of the packet's mark. */
  | { readonly do: 'set-mark'; readonly value: number; readonly mask: number }
  /** Sets the masked bits of the connection's mark. */
  | { readonly do: 'set-connection-mark'; readonly value: number; readonly mask: number }
  | { readonly do: 'dnat' | 'snat'; readonly address: Address; readonly port?: number }
  /** Looks the packet's port up in a redirect table and translates the destination; goes on where there is no entry. */
  | { readonly do: 'redirect'; readonly table: RedirectTableKey };

/** Which redirect table: one for each protocol and family. */
export interface RedirectTableKey {
  readonly family: Family;
  readonly protocol: Protocol;
}

/** A condition and its consequence. */
export interface Rule {
  /** Absent: both families. */
  readonly family?: Family;
  readonly matches: readonly Match[];
  readonly action: Action;
  /** Said beside the rule to those who read the ruleset. */
  readonly comment?: string;
}

/** The rules of ours at one hook, in order. */
export interface Chain {
  readonly hook: Hook;
  readonly rules: readonly Rule[];
}

/** Where a port leads. */
export interface RedirectEntry {
  readonly address: Address;
  readonly port: number;
}

/** All ports of one protocol and family that lead somewhere. */
export interface RedirectTable extends RedirectTableKey {
  /** By port, ascending. */
  readonly entries: ReadonlyMap<number, RedirectEntry>;
}

/** Everything that one owner wants installed, in a form that no backend prefers. */
export interface RuleProgram {
  /** Part of every chain's and table's name: the interface's name for an attachment. */
  readonly name: string;
  /** Whose rules these are; written beside them, so that nobody removes another's. */
  readonly owner: string;
  /** Families that have rules; a family that is missing is left alone. */
  readonly families: readonly Family[];
  readonly chains: readonly Chain[];
  readonly tables: readonly RedirectTable[];
}
