import type { Address, Family, Prefix } from '../../base/model/address.ts';
import type { AddressRange } from '../../base/model/address-range.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import type { SourceLimits } from '../intent/port-request.ts';

/** How new connections are distributed over endpoints. */
export type Balance = 'roundrobin' | 'random' | 'source';

/** An endpoint with its share of connections. */
export interface WeightedEndpoint {
  readonly address: Address;
  /** 1–65535. */
  readonly port: number;
  /** Share of new connections, relative to the other endpoints of the port; 0 gets none. */
  readonly weight: number;
  /** Whether it runs on this node, so that the client's source address can be kept. */
  readonly local: boolean;
}

/** One open port of the node, and its endpoints. */
export interface IngressPort {
  readonly protocol: Protocol;
  readonly port: number;
  /**
   * The address at which the port is served: a virtual one, in {@link IngressRules.virtual}, or one of
   * {@link IngressRules.placed}. Absent: the addresses of the node. Such a port has neither limits of clients nor an
   * allow-list, because no source requests them for an address.
   */
  readonly address?: Address;
  /** The address is one of a node's own. Absent: a virtual one. */
  readonly ofNode?: true;
  /** Of one or both families. Empty: new connections are rejected. */
  readonly endpoints: readonly WeightedEndpoint[];
  /** Share of new connections of a family that are rejected, on the scale of the endpoints' weights. */
  readonly refused?: Readonly<Partial<Record<Family, number>>>;
  readonly balance: Balance;
  readonly limits: SourceLimits;
  /** Networks of allowed clients. Absent: all; empty: none. */
  readonly allowed?: readonly Prefix[];
  /** Milliseconds after which a silent established connection is deleted. Absent: the kernel's timeout. */
  readonly idleTimeout?: number;
  /** Uses only endpoints of this node and keeps the client's address. Absent: any endpoint. */
  readonly localOnly?: true;
}

/** Desired state of one ingress agent on its node. */
export interface IngressRules {
  /** Name of the agent, part of the names of tables and chains. */
  readonly name: string;
  /** No two share protocol, port and address. */
  readonly ports: readonly IngressPort[];
  /** Addresses of the node to serve. Absent: all of them. */
  readonly addresses?: readonly Address[];
  /**
   * Virtual addresses, whether this node holds them or not: only ports of one of these addresses are served there, and
   * no others. Absent: none. The same list until it changes.
   */
  readonly virtual?: readonly AddressRange[];
  /**
   * Own addresses of nodes, of this one or others, with ports that are served only there. Other ports are served there
   * as at the other addresses. Absent: none.
   */
  readonly placed?: readonly Address[];
}

/** Whether a node forwards packets, by family. */
export type Forwarding = Readonly<Record<Family, boolean>>;
