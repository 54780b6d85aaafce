import type { PemText } from './certificate-source.ts';
import type { ServiceShare } from './service-share.ts';

/** Services that share the requests of a match. */
export interface Group {
  readonly shares: readonly ServiceShare[];
  /** How requests without a server are answered. Absent: 503. */
  readonly errors?: GroupErrors;
  /** Name or number of the endpoints' port. Absent: every TCP port of the Service. */
  readonly targetPort?: string | number;
  /** TLS to the servers. Absent: none. */
  readonly tls?: ServerTlsDemand;
  /** Absent: the router's default. */
  readonly balance?: SiteBalance;
  /** Keeps a client on its server. Absent: not requested. */
  readonly cookie?: CookieDemand;
  /** Milliseconds. */
  readonly serverTimeout?: number;
  /** Milliseconds. */
  readonly tunnelTimeout?: number;
  /** Concurrent connections to one server. */
  readonly serverConnections?: number;
  /** Milliseconds between two checks of a server. */
  readonly checkInterval?: number;
  /** Uses HTTP/2 without TLS to every server, whatever its port's appProtocol (GRPCRoute). */
  readonly isH2c?: boolean;
}

/**
 * Answers by the rules of the Gateway API: each share keeps its part of the requests, also if nothing can serve it.
 */
export interface GroupErrors {
  /**
   * Status for a group without shares and for the part of an invalid share: a forbidden one, or one whose Service or
   * port does not exist. 500 for HTTPRoutes; 503 for GRPCRoutes, which gRPC maps to UNAVAILABLE.
   */
  readonly invalid: 500 | 503;
}

/** How requests are distributed over servers, in HAProxy's words. */
export type SiteBalance = 'roundrobin' | 'leastconn' | 'source' | 'random';

/** A sticky cookie. */
export interface CookieDemand {
  /** Absent: the router's default, then a name derived from the object. */
  readonly name?: string;
  readonly sameSite: 'Lax' | 'Strict' | 'None';
}

/** TLS to servers. */
export interface ServerTlsDemand {
  /** CA certificates that verify them. Absent: those of the router, for the Service's name. */
  readonly authorities?: PemText;
}
