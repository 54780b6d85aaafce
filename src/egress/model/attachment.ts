import type { Address, Prefix } from '../../base/model/address.ts';
import type { LinkKind } from '../../base/model/link-kind.ts';
import type { RedirectSet } from '../../base/model/redirect.ts';
import type { RuleBackendChoice } from '../../base/rules/transaction.ts';

/** Log levels; each one includes those before it. */
export type LogLevel = 'panic' | 'error' | 'verbose' | 'debug';

/** An address that an administrator reserved for the router, and its gateway. */
export interface ReservedAddress {
  /** Address with prefix length, as configured on the interface. */
  readonly prefix: Prefix;
  /** Next hop; default: the gateway of the master's default route. */
  readonly gateway?: Address;
}

/** A validated network configuration of one attachment, independent of the node. */
export interface AttachmentSpec {
  /** CNI network name. */
  readonly network: string;
  /** Name of the master; default: the interface in the network of the reserved address, then that of the default route. */
  readonly master?: string;
  readonly kind: LinkKind;
  /** Bytes; default: the MTU of the master. */
  readonly mtu?: number;
  /** Lower-case `aa:bb:…`; default: chosen by the kernel. */
  readonly mac?: string;
  /** One IPv4, one IPv6, or one of each; never empty. */
  readonly reserved: readonly ReservedAddress[];
  readonly redirects: RedirectSet;
  /** Networks that stay routed through the pod's old gateway, besides those with routes of their own. */
  readonly clusterNetworks: readonly Prefix[];
  readonly ruleBackend: RuleBackendChoice;
  readonly log: LogSettings;
}

/** Log settings of the plugin. */
export interface LogSettings {
  /** Absolute path. */
  readonly file: string;
  readonly level: LogLevel;
}

/** Identifies an attachment, the key of its state (CNI spec 1.1.0 §2). */
export interface AttachmentId {
  readonly containerId: string;
  /** `CNI_IFNAME`. */
  readonly ifname: string;
}
