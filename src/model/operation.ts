import type { Prefix } from './address.ts';
import type { AttachmentId, MacvlanMode } from './attachment.ts';
import type { PolicyRule, Route } from './network.ts';
import type { Redirect } from './redirect.ts';
import type { RuleProgram } from './rules.ts';
import type { AttachmentState } from './state.ts';

/**
 * One step that changes the pod's namespace, the rules in it, or what is remembered about it. Each
 * happens wholly or not at all.
 */
export type Operation =
  /** Leads the rules from one program to another; either may be absent. */
  | { readonly do: 'change-rules'; readonly from?: RuleProgram; readonly to?: RuleProgram }
  /** Removes whatever rules stand under a name, if they are the owner's. */
  | {
      readonly do: 'remove-rules';
      readonly name: string;
      readonly owner: string;
      /** Where to look; several where nobody remembers. */
      readonly backends: readonly ('iptables' | 'nftables')[];
    }
  | {
      readonly do: 'create-macvlan';
      readonly name: string;
      readonly masterIndex: number;
      readonly mode: MacvlanMode;
      readonly mtu: number;
      readonly mac?: string;
    }
  /** The owner is written into the alias, where `ip -d link` shows it. */
  | { readonly do: 'set-link-alias'; readonly link: string; readonly alias: string }
  | { readonly do: 'set-link-up'; readonly link: string }
  | { readonly do: 'delete-link'; readonly link: string }
  | { readonly do: 'add-address'; readonly link: string; readonly prefix: Prefix }
  | { readonly do: 'add-route' | 'delete-route'; readonly route: Route }
  | { readonly do: 'add-policy-rule' | 'delete-policy-rule'; readonly rule: PolicyRule }
  /** `key` is a path below `/proc/sys`; `was` is what to put back. */
  | { readonly do: 'set-sysctl'; readonly key: string; readonly value: string; readonly was?: string }
  /** Forgets connections that were seen before their redirect was in force, and would go on past it. */
  | { readonly do: 'forget-untranslated'; readonly redirects: readonly Redirect[]; readonly fallback: boolean }
  /** Forgets connections whose mark says that they are an attachment's. */
  | { readonly do: 'forget-marked'; readonly value: number; readonly mask: number }
  /** Tells the neighbours once more which hardware address holds the link's addresses now. */
  | { readonly do: 'announce'; readonly link: string }
  | { readonly do: 'save-state'; readonly state: AttachmentState }
  | { readonly do: 'remove-state'; readonly id: AttachmentId };

/** An operation with what takes it back; no undo where nothing is left behind. */
export interface Step {
  readonly operation: Operation;
  readonly undo?: Operation;
}
