import type { Address, Family, Prefix } from './address.ts';
import type { LinkKind } from './link-kind.ts';

/** A network interface. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  /** Present if the link is up but has no carrier: no cable, or its master is down. */
  readonly carrier?: false;
  /** Bytes. */
  readonly mtu: number;
  /** Lower-case `aa:bb:…`; empty if the interface has none. */
  readonly mac: string;
  /** `ip link … alias`, which holds the owner of a router's link. */
  readonly alias?: string;
  /** The kernel's name of its kind: `macvlan`, `veth`, …; absent for physical interfaces. */
  readonly kind?: string;
  /** Present if a router's link can be of this kind. */
  readonly settings?: LinkKind;
  /** Index of the master in the master's namespace. */
  readonly parentIndex?: number;
  /** Index of the bridge, bond or VRF that the link is enslaved to. */
  readonly memberOf?: number;
}

/** An address on an interface. */
export interface InterfaceAddress {
  readonly link: string;
  readonly prefix: Prefix;
}

/** Scope of a route (`ip route … scope`): `universe` is global, `link` is directly connected. */
export type RouteScope = 'universe' | 'link' | 'host';

/** A route with all attributes that are needed to restore it. */
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
  /** Origin of the route (`RTPROT_*`): 2 is kernel, 3 boot, 4 static. */
  readonly protocol: number;
  /** Whether the gateway is reachable without a route to it. */
  readonly onlink: boolean;
  /** Other attributes, kept to restore the route: type and hexadecimal bytes. */
  readonly others?: readonly (readonly [type: number, bytes: string])[];
}

/** A policy rule (`ip rule`): matching packets use `table`. */
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

/** Identifies a network namespace, even after its path was reused. */
export interface NamespaceId {
  readonly path: string;
  /** Inode of the namespace's file; unique while it lives. */
  readonly inode: number;
}

/** State of a network namespace. */
export interface NamespaceSnapshot {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  /** Unicast and unreachable routes of all tables but `local`. */
  readonly routes: readonly Route[];
  /** Rules with a firewall mark. */
  readonly policyRules: readonly PolicyRule[];
  /** Sysctls that an egress router depends on, by path below `/proc/sys`. */
  readonly sysctls: ReadonlyMap<string, string>;
}

/** Relevant state of the node: the master and its routes to the outside. */
export interface NodeSnapshot {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  /** Default routes of the main table, by ascending metric. */
  readonly defaultRoutes: readonly Route[];
}

/** Parts of the node's state to read. */
export interface NodeReading {
  readonly routes: boolean;
  /** Name of the only link to read; ignored with routes. */
  readonly master?: string;
}
