import type { Address, Prefix } from '../../base/model/address.ts';
import type { MacvlanMode } from '../../base/model/network.ts';
import type { RedirectSet } from '../../base/model/redirect.ts';
import type { RuleBackendChoice } from '../../base/rules/transaction.ts';

/** What log lines are kept; each level includes those before it. */
export type LogLevel = 'panic' | 'error' | 'verbose' | 'debug';

/** An address that an administrator reserved for the router, with the way out of its network. */
export interface ReservedAddress {
  /** The address with its network's length, as it is put on the interface. */
  readonly prefix: Prefix;
  /** The next hop; absent: derived from the master's default route. */
  readonly gateway?: Address;
}

/** A validated network configuration: what one attachment should be, before any look at the node. */
export interface AttachmentSpec {
  /** CNI network name. */
  readonly network: string;
  /** The master's name; absent: found by the reserved address, then by the node's default route. */
  readonly master?: string;
  readonly mode: MacvlanMode;
  /** Bytes; absent: the master's. */
  readonly mtu?: number;
  /** Lower-case `aa:bb:…`; absent: the kernel's choice. */
  readonly mac?: string;
  /** One IPv4, one IPv6, or one of each; never empty. */
  readonly reserved: readonly ReservedAddress[];
  readonly redirects: RedirectSet;
  /** Networks reached by the pod's old gateway, besides those it has routes for. */
  readonly clusterNetworks: readonly Prefix[];
  readonly ruleBackend: RuleBackendChoice;
  readonly log: LogSettings;
}

/** Where the log of the plugin goes. */
export interface LogSettings {
  /** Absolute path. */
  readonly file: string;
  readonly level: LogLevel;
}

/** Which attachment of which container: the key of all state (CNI spec 1.1.0 §2). */
export interface AttachmentId {
  readonly containerId: string;
  /** `CNI_IFNAME`. */
  readonly ifname: string;
}
