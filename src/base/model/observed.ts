import type { Address } from './address.ts';
import type { InterfaceAddress, Link, Route } from './network.ts';

/** State of a neighbor entry (`ip neigh`): `NUD_*`. */
export type NeighbourState =
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent'
  | 'none';

/** An entry of a namespace's neighbor table. */
export interface Neighbour {
  readonly linkIndex: number;
  readonly address: Address;
  readonly state: NeighbourState;
  /** Lower-case `aa:bb:…`; absent while unknown. */
  readonly mac?: string;
}

/** A host on the network that claims an address. */
export interface Claimant {
  readonly address: Address;
  /** Lower-case `aa:bb:…`. */
  readonly mac: string;
}

/** Packets and bytes of one direction. */
export interface Amount {
  readonly packets: number;
  readonly bytes: number;
}

/** A tracked connection with its counters. */
export interface Flow {
  /** `IPPROTO_*`. */
  readonly protocol: number;
  /** The client, and the destination it connected to. */
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
  /** Source of the replies: the target, if the destination was translated. */
  readonly target: Address;
  readonly targetPort: number;
  /** Source address that the target sees. */
  readonly seenAs: Address;
  readonly mark: number;
  readonly destinationTranslated: boolean;
  /** Whether the target has answered. */
  readonly answered: boolean;
  /** TCP state in the syntax of `conntrack -L`. */
  readonly tcpState?: string;
  /** Seconds until the entry expires. */
  readonly timeout: number;
  /** Absent if connection accounting is off (`nf_conntrack_acct`). */
  readonly sent?: Amount;
  readonly received?: Amount;
}

/** Result of a route lookup (`ip route get`). */
export type RouteAnswer =
  | {
      readonly kind: 'unicast' | 'local';
      readonly link?: string;
      readonly gateway?: Address;
      readonly table: number;
    }
  /** No route; the kernel's reason, such as `ENETUNREACH` or `EXDEV` (reverse-path check). */
  | { readonly kind: 'none'; readonly reason: string };

/** A packet to look up a route for. */
export interface RouteQuestion {
  readonly destination: Address;
  readonly source?: Address;
  readonly mark: number;
  /** Incoming link; absent for a locally generated packet. */
  readonly incoming?: string;
}

/** Links, addresses and routes of a network namespace. */
export interface LinkView {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  readonly routes: readonly Route[];
}

/** State of the pod's namespace that its readiness depends on. */
export interface PodView extends LinkView {
  readonly neighbours: readonly Neighbour[];
}
