import type { Address } from './address.ts';
import type { InterfaceAddress, Link, Route } from './network.ts';

/** What the kernel believes about a neighbour (`ip neigh`): `NUD_*`. */
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

/** An entry of a namespace's neighbour table. */
export interface Neighbour {
  readonly linkIndex: number;
  readonly address: Address;
  readonly state: NeighbourState;
  /** Lower-case `aa:bb:…`; absent while it is not known. */
  readonly mac?: string;
}

/** Somebody on the wire who says that an address is theirs. */
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

/** A connection that the namespace tracks, with what passed by it. */
export interface Flow {
  /** `IPPROTO_*`. */
  readonly protocol: number;
  /** The client, and what it connected to. */
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
  /** Who answers: the target, where the destination was translated. */
  readonly target: Address;
  readonly targetPort: number;
  /** Whom the target sees. */
  readonly seenAs: Address;
  readonly mark: number;
  readonly destinationTranslated: boolean;
  /** Whether the target ever answered. */
  readonly answered: boolean;
  /** Of TCP, in the words of `conntrack -L`. */
  readonly tcpState?: string;
  /** Seconds until it is forgotten. */
  readonly timeout: number;
  /** Absent where the namespace does not count (`nf_conntrack_acct`). */
  readonly sent?: Amount;
  readonly received?: Amount;
}

/** What the kernel would do with a packet: `ip route get`. */
export type RouteAnswer =
  | {
      readonly kind: 'unicast' | 'local';
      readonly link?: string;
      readonly gateway?: Address;
      readonly table: number;
    }
  /** Nowhere; the reason is the kernel's, such as `ENETUNREACH` or `EXDEV` (the reverse path). */
  | { readonly kind: 'none'; readonly reason: string };

/** A packet whose way is asked for. */
export interface RouteQuestion {
  readonly destination: Address;
  readonly source?: Address;
  readonly mark: number;
  /** The link it comes in by; absent: it is made here. */
  readonly incoming?: string;
}

/** What there is in the pod's namespace. */
export interface PodView {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  readonly routes: readonly Route[];
  readonly neighbours: readonly Neighbour[];
}
