import type { PemText } from './certificate-source.ts';
import type { ServiceShare } from './service-share.ts';

/** Services that share the requests of a match. */
export interface Group {
  readonly shares: readonly ServiceShare[];
  /** Answers to requests that no server can handle. Absent: 503. */
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
  /** Sends requests with a header or cookie to one share, or away from it, regardless of weights. */
  readonly steering?: Steering;
  /** Uses HTTP/2 without TLS to every server, regardless of the port's appProtocol (GRPCRoute). */
  readonly isH2c?: boolean;
}

/**
 * Answers as the Gateway API requires: each share keeps its part of the requests even if no server can handle it.
 */
export interface GroupErrors {
  /**
   * Status for a group without shares, and for the part of an invalid share: a forbidden one, or one whose Service or
   * port does not exist. 500 for HTTPRoutes; 503 for GRPCRoutes, which gRPC maps to UNAVAILABLE.
   */
  readonly invalid: 500 | 503;
}

/**
 * Lets clients select a share. The value `always` selects the share, `never` the others. The header takes
 * precedence over the cookie.
 */
export interface Steering {
  /** Index of the share. */
  readonly share: number;
  /** With `value`, only that value selects the share, and no value the others. */
  readonly header?: { readonly name: string; readonly value?: string };
  /** Name of a cookie. */
  readonly cookie?: string;
}

/** Balancing algorithms, by HAProxy's names. */
export type SiteBalance = 'roundrobin' | 'leastconn' | 'source' | 'random';

/** A sticky cookie. */
export interface CookieDemand {
  /** Absent: the router's default, then a name derived from the object. */
  readonly name?: string;
  /** Sent over TLS only, unless there are {@link attributes}. */
  readonly sameSite: 'Lax' | 'Strict' | 'None';
  /** The attributes of the cookie as requested. Absent: those of OpenShift's router. */
  readonly attributes?: CookieAttributes;
}

/** Attributes of a cookie (RFC 6265). */
export interface CookieAttributes {
  readonly path: string;
  readonly domain?: string;
  /** Seconds. */
  readonly maxAge?: number;
  /** Absent: if the request came over TLS. */
  readonly isSecure?: boolean;
  readonly sameSite?: 'Lax' | 'Strict' | 'None';
}

/** TLS to servers. */
export interface ServerTlsDemand {
  /** CA certificates that verify them. Absent: those of the router, for the Service's name. */
  readonly authorities?: PemText;
  /** Accepts every certificate. */
  readonly isUnverified?: true;
}
