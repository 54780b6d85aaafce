import type { Address, Prefix } from '../../base/model/address.ts';
import type { MacvlanMode, NamespaceId, Route } from '../../base/model/network.ts';
import type { AttachmentId } from './attachment.ts';

/** A kernel setting that an attachment changed, and what to put back. */
export interface ChangedSysctl {
  readonly key: string;
  readonly was: string;
}

/** A pod by its name in Kubernetes. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** Redirects and fallbacks in the words of a network configuration: a line each, since there may be thousands. */
export interface RememberedRedirects {
  readonly destinations: readonly string[];
  readonly fallbacks: readonly Address[];
}

/** What was asked for and decided at ADD, so that a person can be told how the router should be. */
export interface RememberedRouter extends RememberedRedirects {
  readonly mode: MacvlanMode;
  /** Bytes. */
  readonly mtu: number;
  /** Lower-case `aa:bb:…`; absent: the kernel chose. */
  readonly mac?: string;
  /** The next hop of each of the state's `addresses`, in their order. */
  readonly gateways: readonly Address[];
  /** `clusterNetworks` of the configuration; absent in files of earlier versions. */
  readonly clusterNetworks?: readonly string[];
  /** The log of the plugin: absolute path. */
  readonly logFile: string;
}

/** Another machine that has a reserved address. */
export interface AddressRival {
  readonly address: string;
  /** Lower-case `aa:bb:…`. */
  readonly mac: string;
}

/**
 * What must be remembered between ADD and the calls after it. One file each; whatever is not here
 * can be read from the namespace or the configuration.
 */
export interface AttachmentState {
  /** 1; later versions that only add to this are read as far as it goes, and what they add is kept. */
  readonly version: number;
  readonly id: AttachmentId;
  readonly network: string;
  readonly netns: NamespaceId;
  /** `/proc/sys/kernel/random/boot_id`: a state of an earlier boot describes nothing. */
  readonly bootId: string;
  /** The interface that was made: `CNI_IFNAME`, or another name behind a plugin that took that one. */
  readonly link: string;
  readonly master: string;
  /** 1–15: which marks, tables and priorities are this attachment's. */
  readonly slot: number;
  readonly backend: 'iptables' | 'nftables';
  /** The interfaces towards the cluster, by family; one for each that has any. */
  readonly podLinks: readonly { readonly family: 4 | 6; readonly link: string }[];
  /** Default routes that were taken from the main table. */
  readonly oldDefaults: readonly Route[];
  /** Routes towards the cluster that were added to the main table. */
  readonly clusterRoutes: readonly Route[];
  /** Routes of the private table by which replies go back to the cluster. */
  readonly inwardRoutes: readonly Route[];
  readonly addresses: readonly Prefix[];
  readonly sysctls: readonly ChangedSysctl[];
  /** As the runtime told; absent where it did not, and in files of earlier versions. */
  readonly pod?: PodName;
  /** Absent in files of earlier versions, and where the file was lost. */
  readonly router?: RememberedRouter;
  /**
   * Present while a change of the redirects is on its way: the rules are those of `router` or these.
   * Left there by whoever was killed; the next change installs its rules whichever they are.
   */
  readonly pending?: RememberedRedirects;
  /** Present while the node's daemon keeps the interface closed, because another machine has its address. */
  readonly closed?: AddressRival;
}
