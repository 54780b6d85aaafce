import type { Address, Prefix } from '../../base/model/address.ts';
import type { Parsed } from '../../base/model/problem.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { ServiceShare } from './service-share.ts';

/** A request for ports of the node: of a Route by annotation, or of a listener of a Gateway. */
export interface PortRequest {
  readonly meta: ObjectMeta;
  /** Host of a Route, in lower case. */
  readonly host?: string;
  /** Name of the listener of a Gateway or ListenerSet. */
  readonly listener?: string;
  /** Kind of the object with the listener. Absent: Gateway. */
  readonly kind?: 'ListenerSet';
  /**
   * Another data plane serves the ports: the request only claims them, so that they are allowed and belong to no other
   * object.
   */
  readonly isClaim?: true;
  /** The request, or everything that is wrong with it. */
  readonly demand: Parsed<PortDemand>;
}

/** A valid request for ports. */
export interface PortDemand extends PortSettings {
  readonly backends: readonly ServiceShare[];
  /** Name or number of the endpoints' port. Absent: every port of the Service. */
  readonly targetPort?: string | number;
  /** What terminates TLS on the connections. */
  readonly termination?: 'edge' | 'reencrypt' | 'passthrough';
}

/** Ports and how connections to them are handled. */
export interface PortSettings {
  readonly ports: readonly AskedPort[];
  /** Absent: the router's default. */
  readonly balance?: PortBalance;
  readonly limits: SourceLimits;
  /** Milliseconds. Absent: the router's default. */
  readonly idleTimeout?: number;
  /** Networks of allowed clients. Absent: any client. Never empty. */
  readonly allowed?: readonly Prefix[];
  /** Milliseconds between two checks of an endpoint. Absent: the router's default. */
  readonly checkInterval?: number;
  /** Names of router annotations that have no effect on ports, sorted. */
  readonly ignored: readonly string[];
}

/** A requested port. */
export interface AskedPort {
  readonly protocol: Protocol;
  /** 1–65535. */
  readonly port: number;
  /** The address at which the port is served. Absent: the addresses of the nodes. */
  readonly address?: Address;
  /** The address is one of a node's own. Absent: a virtual one, all of whose ports belong to its owner. */
  readonly ofNode?: true;
}

/** How connections are distributed over endpoints. */
export type PortBalance = 'source' | 'roundrobin' | 'random';

/** Limits of one client address, counted as HAProxy counts them (`rate-limit-connections`). */
export interface SourceLimits {
  /** Maximum number of open connections, exclusive. */
  readonly concurrent?: number;
  /** Maximum number of attempts in three seconds, exclusive; rejected ones count. */
  readonly rate?: number;
}
