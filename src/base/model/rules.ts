import type { Address, Family, Prefix } from './address.ts';
import type { Protocol, Sharing } from './redirect.ts';

/** Position of a chain: a table of iptables and a netfilter hook. */
export type Hook =
  | 'mangle-prerouting'
  | 'nat-prerouting'
  | 'filter-input'
  | 'filter-forward'
  | 'mangle-output'
  | 'mangle-postrouting'
  | 'nat-postrouting';

/** Connection tracking states. */
export type ConnectionState = 'new' | 'established' | 'related' | 'invalid' | 'untracked';

/** A condition on a packet. A rule matches if all its conditions hold. */
export type Match =
  | { readonly on: 'incoming' | 'outgoing'; readonly link: string; readonly not?: true }
  | { readonly on: 'protocol'; readonly protocol: Protocol | 'icmpv6'; readonly not?: true }
  | { readonly on: 'ports'; readonly protocol: Protocol; readonly from: number; readonly to: number }
  | { readonly on: 'source'; readonly prefix: Prefix; readonly not?: true }
  /** The lowest bits of the source address. */
  | { readonly on: 'source-bits'; readonly bits: number; readonly value: number }
  /** One packet of `every` that reach this rule, beginning with the first. */
  | { readonly on: 'turn'; readonly every: number }
  /** The destination is an address of this namespace. */
  | { readonly on: 'local-destination' }
  /** Masked bits of the packet's or the connection's mark. Packets without a connection have no connection mark. */
  | {
      readonly on: 'mark' | 'connection-mark';
      readonly value: number;
      readonly mask: number;
      readonly not?: true;
    }
  | { readonly on: 'state'; readonly states: readonly ConnectionState[] }
  /** Whether the connection's destination or source was translated. */
  | { readonly on: 'translated'; readonly part: 'destination' | 'source'; readonly not?: true }
  /** Not the first packet of its connection, whatever its state; NAT was decided at the first packet. */
  | { readonly on: 'confirmed' }
  | { readonly on: 'direction'; readonly direction: 'original' | 'reply' }
  /** ICMPv6 message types, by number. */
  | { readonly on: 'icmpv6-type'; readonly type: number };

/** Action on a matching packet. */
export type Action =
  | { readonly do: 'accept' | 'drop' | 'return' }
  | { readonly do: 'reject'; readonly with: 'tcp-reset' | 'port-unreachable' }
  /** Sets the masked bits of the packet's mark. */
  | { readonly do: 'set-mark'; readonly value: number; readonly mask: number }
  /** Sets the masked bits of the connection's mark. */
  | { readonly do: 'set-connection-mark'; readonly value: number; readonly mask: number }
  | { readonly do: 'dnat' | 'snat'; readonly address: Address; readonly port?: number }
  /** Looks up the packet's port in a redirect table and translates the destination; continues if there is no entry. */
  | { readonly do: 'redirect'; readonly table: RedirectTableKey }
  /** As `redirect`, with the table of shared ports; accepts a packet to a port without a target untranslated. */
  | { readonly do: 'redirect-shared'; readonly table: RedirectTableKey }
  /** Translates the destination to one of several targets; continues if there are none. */
  | { readonly do: 'share'; readonly targets: readonly SharedTarget[]; readonly sharing: Sharing };

/** Identifies a redirect table: one for each protocol and family. */
export interface RedirectTableKey {
  readonly family: Family;
  readonly protocol: Protocol;
}

/** A rule: conditions and an action. */
export interface Rule {
  /** Default: both families. */
  readonly family?: Family;
  readonly matches: readonly Match[];
  readonly action: Action;
  /** Comment in the ruleset. */
  readonly comment?: string;
}

/** The router's or agent's rules at one hook, in order. */
export interface Chain {
  readonly hook: Hook;
  readonly rules: readonly Rule[];
}

/** Target of a port. */
export interface RedirectEntry {
  readonly address: Address;
  readonly port: number;
}

/** All redirected ports of a protocol and family. */
export interface RedirectTable extends RedirectTableKey {
  /** By port, ascending. */
  readonly entries: ReadonlyMap<number, RedirectEntry>;
}

/** A target that shares connections with others, without a port if it keeps the connection's. */
export interface SharedTarget {
  readonly address: Address;
  readonly port?: number;
}

/** Targets of a port; none: its connections are not translated. */
export interface SharedPort {
  /** In a stable order, all of one family. */
  readonly targets: readonly SharedTarget[];
  readonly sharing: Sharing;
}

/** All ports of a protocol and family whose connections several targets share. */
export interface SharedTable extends RedirectTableKey {
  /** By port, ascending. */
  readonly entries: ReadonlyMap<number, SharedPort>;
}

/** All rules of one owner, independent of the backend. */
export interface RuleProgram {
  /** Part of every chain and table name; for an attachment, the interface name. */
  readonly name: string;
  /** Owner of the rules, stored in their comments, so that no other owner removes them. */
  readonly owner: string;
  /** Families that have rules; other families are not touched. */
  readonly families: readonly Family[];
  readonly chains: readonly Chain[];
  readonly tables: readonly RedirectTable[];
  /** Ports of DNS names. Default: none. */
  readonly shared?: readonly SharedTable[];
}
