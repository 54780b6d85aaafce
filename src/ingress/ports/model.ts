import type { Address, Family, Prefix } from '../../base/model/address.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import type { SourceLimits } from '../intent/port-request.ts';

/** How new connections are spread over endpoints. */
export type Balance = 'roundrobin' | 'random' | 'source';

/** One place that connections can go to. */
export interface WeightedEndpoint {
  readonly address: Address;
  /** 1–65535. */
  readonly port: number;
  /** Share of new connections, relative to the other endpoints of the port; 0 gets none. */
  readonly weight: number;
  /** Runs on this node: the client's source address can stay. */
  readonly local: boolean;
}

/** One port of the node that is open, and where it leads. */
export interface IngressPort {
  readonly protocol: Protocol;
  readonly port: number;
  /** Of one or both families; empty: new connections are refused. */
  readonly endpoints: readonly WeightedEndpoint[];
  /** Share of new connections of a family that are refused, on the scale of its endpoints' weights. */
  readonly refused?: Readonly<Partial<Record<Family, number>>>;
  readonly balance: Balance;
  readonly limits: SourceLimits;
  /** Clients that may connect; absent: all. Empty: none. */
  readonly allowed?: readonly Prefix[];
  /** Milliseconds after which a silent established connection is forgotten; absent: the kernel's. */
  readonly idleTimeout?: number;
  /** Only endpoints of this node, with the client's address kept; absent: any. */
  readonly localOnly?: true;
}

/** Everything that one ingress agent wants installed on its node. */
export interface IngressRules {
  /** The agent's name: part of every table's and chain's name. */
  readonly name: string;
  /** No two share protocol and port. */
  readonly ports: readonly IngressPort[];
  /** Addresses of the node that are served; absent: all of them. */
  readonly addresses?: readonly Address[];
}

/** Whether a node hands on packets that are not for itself, by family. */
export type Forwarding = Readonly<Record<Family, boolean>>;
