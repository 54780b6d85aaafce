import type { Address, Prefix } from '../../base/model/address.ts';
import type { LinkKind, LinkType } from '../../base/model/link-kind.ts';
import type { NamespaceId, Route } from '../../base/model/network.ts';
import type { Sharing } from '../../base/model/redirect.ts';
import type { AttachmentId } from './attachment.ts';

/** A sysctl that an attachment changed, and the value to restore. */
export interface ChangedSysctl {
  readonly key: string;
  readonly was: string;
}

/** Namespace and name of a pod. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** Redirects and fallbacks in the syntax of the network configuration. Lines are compact for thousands of redirects. */
export interface RememberedRedirects {
  readonly destinations: readonly string[];
  readonly fallbacks: readonly Address[];
  /** DNS name of the fallback, instead of `fallbacks`. */
  readonly fallbackName?: string;
  /** How addresses of names share connections; absent: roundrobin. */
  readonly sharing?: Sharing;
  /** Usable addresses of each name when the rules were installed. */
  readonly answers?: readonly { readonly name: string; readonly addresses: readonly string[] }[];
}

/** Desired state of a router as decided at ADD, for CHECK and erctl. */
export interface RememberedRouter extends RememberedRedirects {
  /** Kind of the link; absent in files of earlier versions: macvlan. */
  readonly linkType?: LinkType;
  readonly mode: LinkKind['mode'];
  /** Bytes. */
  readonly mtu: number;
  /** Lower-case `aa:bb:…`; absent if the kernel chose it. */
  readonly mac?: string;
  /** Gateways of the state's `addresses`, in the same order. */
  readonly gateways: readonly Address[];
  /** `clusterNetworks` of the configuration; absent in files of earlier versions. */
  readonly clusterNetworks?: readonly string[];
  /** Absolute path of the plugin's log. */
  readonly logFile: string;
}

/** Another host that uses a reserved address. */
export interface AddressRival {
  readonly address: string;
  /** Lower-case `aa:bb:…`. */
  readonly mac: string;
}

/**
 * Version of the format of state files. A program reads of every file what it can, whatever its number, and keeps what it
 * does not know or cannot read when it writes the file again. The number rises when a program that does so with a
 * newer file would do harm; that program leaves a file that it cannot read in its place, for the newer one.
 */
export const stateVersion = 1;

/** State saved at ADD for later calls, one file per attachment. Only what the kernel and the configuration do not show. */
export interface AttachmentState {
  /** Of the file's format: {@link stateVersion}. */
  readonly version: number;
  readonly id: AttachmentId;
  readonly network: string;
  readonly netns: NamespaceId;
  /** `/proc/sys/kernel/random/boot_id`; a state of an earlier boot is stale. */
  readonly bootId: string;
  /** The created interface: `CNI_IFNAME`, or another name if a previous plugin in the chain uses that one. */
  readonly link: string;
  readonly master: string;
  /** 1–15; selects the attachment's marks, tables and priorities. */
  readonly slot: number;
  readonly backend: 'iptables' | 'nftables';
  /** Pod interfaces, at most one per family. */
  readonly podLinks: readonly { readonly family: 4 | 6; readonly link: string }[];
  /** Default routes that were removed from the main table. */
  readonly oldDefaults: readonly Route[];
  /** Cluster routes that were added to the main table. */
  readonly clusterRoutes: readonly Route[];
  /** Routes of the private table for replies to the cluster. */
  readonly inwardRoutes: readonly Route[];
  readonly addresses: readonly Prefix[];
  readonly sysctls: readonly ChangedSysctl[];
  /** From the container runtime; absent if it did not pass it, and in files of earlier versions. */
  readonly pod?: PodName;
  /** Absent in files of earlier versions, and if the file was lost. */
  readonly router?: RememberedRouter;
  /**
   * Present during a change of the redirects, and after an interrupted one: the installed rules are those of
   * `router` or these. The next change handles both.
   */
  readonly pending?: RememberedRedirects;
  /** Present while the node daemon keeps the interface closed, because another host uses its address. */
  readonly closed?: AddressRival;
}
