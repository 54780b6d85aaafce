import type { Address, Family, Prefix } from './address.ts';

/** macvlan modes of Linux that an egress router may use (`ip link add … type macvlan mode …`). */
export type MacvlanMode = 'bridge' | 'private' | 'vepa' | 'passthru';

/** A network interface as the kernel shows it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  /** Present where the link is up and what is below it is not: no cable, or a master that is down. */
  readonly carrier?: false;
  /** Bytes. */
  readonly mtu: number;
  /** Lower-case `aa:bb:…`; empty for interfaces without one. */
  readonly mac: string;
  /** `ip link … alias`: where we write the owner. */
  readonly alias?: string;
  /** `macvlan`, `veth`, …; absent for physical interfaces. */
  readonly kind?: string;
  /** Present for macvlan links. */
  readonly macvlanMode?: MacvlanMode;
  /** Index of the master, in the namespace where the master lives. */
  readonly parentIndex?: number;
}

/** An address on an interface. */
export interface InterfaceAddress {
  readonly link: string;
  readonly prefix: Prefix;
}

/** How far a route's destination is: `universe` is anywhere, `link` is on the wire (`ip route … scope`). */
export type RouteScope = 'universe' | 'link' | 'host';

/** One route of one table, complete enough to be put back as it was. */
export interface Route {
  readonly family: Family;
  readonly table: number;
  readonly destination: Prefix;
  /** `unreachable` answers with an ICMP error and has no link. */
  readonly type: 'unicast' | 'unreachable';
  readonly gateway?: Address;
  /** The outgoing interface's name. */
  readonly link?: string;
  readonly scope: RouteScope;
  /** Preferred source address. */
  readonly source?: Address;
  /** Priority; lower wins. IPv6 routes without one have 1024. */
  readonly metric?: number;
  /** Who made it (`RTPROT_*`): 2 is the kernel, 3 boot, 4 static. */
  readonly protocol: number;
  /** The gateway is reachable though no route says so. */
  readonly onlink: boolean;
  /** Attributes that mean nothing to us, kept so that the route can be put back: type and hexadecimal bytes. */
  readonly others?: readonly (readonly [type: number, bytes: string])[];
}

/** A policy rule (`ip rule`): packets that match look their route up in `table`. */
export interface PolicyRule {
  readonly family: Family;
  readonly priority: number;
  readonly mark: number;
  readonly mask: number;
  readonly incoming?: string;
  readonly table: number;
}

/** The main routing table, which `ip route` shows. */
export const mainTable = 254;

/** A network namespace, recognisable after its path was given to another. */
export interface NamespaceId {
  readonly path: string;
  /** Inode of the namespace's file; unique while it lives. */
  readonly inode: number;
}

/** Everything about one network namespace that a decision may need. */
export interface NamespaceSnapshot {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  /** Unicast and unreachable routes of all tables but `local`. */
  readonly routes: readonly Route[];
  /** Rules with a firewall mark. */
  readonly policyRules: readonly PolicyRule[];
  /** Values below `/proc/sys`, by path, of the settings that an egress router depends on. */
  readonly sysctls: ReadonlyMap<string, string>;
}

/** What of the node matters: where the master is and how it reaches the outside. */
export interface NodeSnapshot {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  /** Default routes of the main table, by ascending metric. */
  readonly defaultRoutes: readonly Route[];
}

/** What of the node is to be read. */
export interface NodeReading {
  readonly routes: boolean;
  /** The name of the only link that matters; not with routes. */
  readonly master?: string;
}
