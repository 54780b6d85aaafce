import type { Address, Prefix } from '../../base/model/address.ts';
import type { MacvlanMode, PolicyRule, Route } from '../../base/model/network.ts';
import type { Redirect } from '../../base/model/redirect.ts';
import type { RuleProgram } from '../../base/model/rules.ts';
import type { AttachmentId } from './attachment.ts';
import type { LinkGuard } from './guard.ts';
import type { AttachmentState } from './state.ts';

/**
 * One step that changes the pod's namespace, the rules in it, or what is remembered about it. Each
 * happens wholly or not at all.
 */
export type Operation =
  /**
   * Leads the rules from one program to another; either may be absent. `unsure`: nobody knows which of
   * the two is installed.
   */
  | {
      readonly do: 'change-rules';
      readonly from?: RuleProgram;
      readonly to?: RuleProgram;
      readonly unsure?: boolean;
    }
  /**
   * Removes whatever rules stand under a name, if they are the owner's, and with them the guard of a link:
   * the kernel waits once for both.
   */
  | {
      readonly do: 'remove-rules';
      readonly name: string;
      readonly owner: string;
      /** Where to look; several where nobody remembers. */
      readonly backends: readonly ('iptables' | 'nftables')[];
      readonly guardOf?: string;
    }
  | {
      readonly do: 'create-macvlan';
      readonly name: string;
      /** The name that it gets when its owner is written. */
      readonly becomes: string;
      readonly masterIndex: number;
      readonly mode: MacvlanMode;
      readonly mtu: number;
      readonly mac?: string;
    }
  /**
   * Writes the owner into a link's alias, where `ip -d link` shows it, and gives the link its name, at
   * once: what has the name has the alias.
   */
  | { readonly do: 'claim-link'; readonly link: string; readonly alias: string; readonly name: string }
  | { readonly do: 'set-link-alias'; readonly link: string; readonly alias: string }
  /** Lets only frames with the link's own addresses out by it, whatever else the namespace does. */
  | { readonly do: 'guard-link'; readonly guard: LinkGuard }
  | { readonly do: 'remove-guard'; readonly link: string; readonly owner: string }
  | { readonly do: 'set-link-up' | 'set-link-down'; readonly link: string }
  /** Lets nothing out by a link, forwards nothing that comes in, and takes its addresses: before it is deleted. */
  | { readonly do: 'close-link'; readonly link: string; readonly addresses: readonly Prefix[] }
  | { readonly do: 'delete-link'; readonly link: string }
  | { readonly do: 'add-address' | 'delete-address'; readonly link: string; readonly prefix: Prefix }
  | { readonly do: 'add-route' | 'delete-route'; readonly route: Route }
  | { readonly do: 'add-policy-rule' | 'delete-policy-rule'; readonly rule: PolicyRule }
  /** `key` is a path below `/proc/sys`; `was` is what to put back. */
  | { readonly do: 'set-sysctl'; readonly key: string; readonly value: string; readonly was?: string }
  /**
   * Forgets connections that were seen before they could be translated, and would never be: to the pod
   * before their redirect was in force, and from it, but for those to `kept` networks.
   */
  | {
      readonly do: 'forget-untranslated';
      readonly redirects: readonly Redirect[];
      readonly fallback: boolean;
      readonly kept: readonly Prefix[];
    }
  /** Ends the connections, of those with a mark, that redirects or fallbacks made. */
  | {
      readonly do: 'forget-redirected';
      readonly value: number;
      readonly mask: number;
      readonly redirects: readonly Redirect[];
      readonly fallbacks: readonly Address[];
      /** Ports that had a redirect, so that no fallback made their connections. */
      readonly ports: ReadonlySet<string>;
    }
  /** Forgets connections whose mark says that they are an attachment's, and those that others see as from its addresses. */
  | {
      readonly do: 'forget-marked';
      readonly value: number;
      readonly mask: number;
      readonly seenAs: readonly Address[];
    }
  /** Tells the neighbours once more which hardware address holds the link's addresses now. */
  | { readonly do: 'announce'; readonly link: string }
  | { readonly do: 'save-state'; readonly state: AttachmentState }
  | { readonly do: 'remove-state'; readonly id: AttachmentId };

/** An operation with what takes it back; no undo where nothing is left behind. */
export interface Step {
  readonly operation: Operation;
  readonly undo?: Operation;
}
