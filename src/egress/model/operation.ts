import type { Address, Prefix } from '../../base/model/address.ts';
import type { LinkKind } from '../../base/model/link-kind.ts';
import type { PolicyRule, Route } from '../../base/model/network.ts';
import type { Protocol, Redirect } from '../../base/model/redirect.ts';
import type { RuleProgram } from '../../base/model/rules.ts';
import type { AttachmentId } from './attachment.ts';
import type { LinkGuard } from './guard.ts';
import type { AttachmentState } from './state.ts';

/** An atomic change of the pod's namespace, its rules or the saved state. */
export type Operation =
  /** Replaces one rule program by another; either may be absent. `unsure`: either may be installed now. */
  | {
      readonly do: 'change-rules';
      readonly from?: RuleProgram;
      readonly to?: RuleProgram;
      readonly unsure?: boolean;
    }
  /** Removes an owner's rules under a name, and a link's guard in the same transaction, because each one waits for RCU. */
  | {
      readonly do: 'remove-rules';
      readonly name: string;
      readonly owner: string;
      /** Backends to check; several if the state file is lost. */
      readonly backends: readonly ('iptables' | 'nftables')[];
      readonly guardOf?: string;
    }
  | {
      readonly do: 'create-link';
      readonly name: string;
      /** Name that the link gets together with its owner. */
      readonly becomes: string;
      readonly masterIndex: number;
      readonly kind: LinkKind;
      readonly mtu: number;
      readonly mac?: string;
    }
  /** Atomically sets a link's final name and its alias, which holds the owner. */
  | { readonly do: 'claim-link'; readonly link: string; readonly alias: string; readonly name: string }
  | { readonly do: 'set-link-alias'; readonly link: string; readonly alias: string }
  /** Drops outgoing frames without the link's own addresses. */
  | { readonly do: 'guard-link'; readonly guard: LinkGuard }
  | { readonly do: 'remove-guard'; readonly link: string; readonly owner: string }
  | { readonly do: 'set-link-up' | 'set-link-down'; readonly link: string }
  /** Blocks traffic in both directions and removes the addresses, before the link is deleted. */
  | { readonly do: 'close-link'; readonly link: string; readonly addresses: readonly Prefix[] }
  | { readonly do: 'delete-link'; readonly link: string }
  | { readonly do: 'add-address' | 'delete-address'; readonly link: string; readonly prefix: Prefix }
  | { readonly do: 'add-route' | 'delete-route'; readonly route: Route }
  | { readonly do: 'add-policy-rule' | 'delete-policy-rule'; readonly rule: PolicyRule }
  /** `key` is a path below `/proc/sys`; `was` is the value to restore. */
  | { readonly do: 'set-sysctl'; readonly key: string; readonly value: string; readonly was?: string }
  /**
   * Deletes conntrack entries from before NAT was in place, which would never be translated: those to redirected
   * ports, and those from the pod, except to `kept` networks.
   */
  | {
      readonly do: 'forget-untranslated';
      /** Redirected ports of every family. */
      readonly ports: readonly { readonly protocol: Protocol; readonly port: number }[];
      readonly fallback: boolean;
      readonly kept: readonly Prefix[];
    }
  /**
   * Deletes marked connections that belong to these redirects or fallbacks, and those of `endedPorts` and, with
   * `endsFallback`, of the fallback to any other target than `kept` redirects and fallbacks.
   */
  | {
      readonly do: 'forget-redirected';
      readonly value: number;
      readonly mask: number;
      readonly redirects: readonly Redirect[];
      readonly fallbacks: readonly Address[];
      /** Ports with a redirect, whose connections do not belong to a fallback. */
      readonly ports: ReadonlySet<string>;
      /** Ports that redirected to a name, as `portKey`. */
      readonly endedPorts?: ReadonlySet<string>;
      /** The fallback was a name. */
      readonly endsFallback?: boolean;
      readonly kept?: { readonly redirects: readonly Redirect[]; readonly fallbacks: readonly Address[] };
    }
  /** Deletes connections with an attachment's mark, and those with its addresses as translated source. */
  | {
      readonly do: 'forget-marked';
      readonly value: number;
      readonly mask: number;
      readonly seenAs: readonly Address[];
    }
  /** Announces the link's addresses to its neighbors again. */
  | { readonly do: 'announce'; readonly link: string }
  | { readonly do: 'save-state'; readonly state: AttachmentState }
  | { readonly do: 'remove-state'; readonly id: AttachmentId };

/** An operation and its undo, if it needs one. */
export interface Step {
  readonly operation: Operation;
  readonly undo?: Operation;
}
