import type { Parsed, Problem } from '../../base/model/problem.ts';
import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { ServiceShare } from './service-share.ts';

/** A request of one object for one host at layer 7, for any kind of object. */
export interface SiteRequest {
  /** The object, for the order of claims, limits of namespaces, and messages. */
  readonly owner: SiteOwner;
  /** Where requests arrive. */
  readonly listener: ListenerId;
  /** In lower case. Absent if neither the object nor the router names one. */
  readonly host?: string;
  /** Requests every name one label below the domain of the host instead of the host. */
  readonly isWildcard: boolean;
  /** The request, or everything that is wrong with it. */
  readonly demand: Parsed<SiteDemand>;
}

/** The listener of Routes and Ingresses: the router's own ports, for plain HTTP and for TLS. */
export const defaultListener = 'default';

/** Name of a listener. */
export type ListenerId = typeof defaultListener;

/** The object that makes a request. */
export interface SiteOwner {
  readonly kind: string;
  readonly meta: ObjectMeta;
  /** Name in logs and statistics, `NAMESPACE:NAME`. Unique among the requests of all kinds. */
  readonly label: string;
  /** Fields of the object, for messages. */
  readonly fields: SiteFields;
  /**
   * Requests with the same value may share hosts and paths across namespaces, because their API merges them. Absent:
   * the oldest object owns a path, and its namespace the host.
   */
  readonly merge?: string;
}

/** Names of fields for messages. */
export interface SiteFields {
  readonly host: string;
  readonly path: string;
  /** The field and value that request a wildcard. */
  readonly wildcard: string;
}

/** A valid request. */
export interface SiteDemand {
  /** In order of precedence; never empty. */
  readonly matches: readonly Match[];
  /** Targets of the matches. */
  readonly groups: readonly Group[];
  /** Absent: plain HTTP only. */
  readonly tls?: SiteTls;
  readonly access: AccessRules;
  /** Optional values that are invalid and count as absent. Shown in the status. */
  readonly warnings: readonly Problem[];
  /** Names of annotations without effect at layer 7, sorted. Shown in the status. */
  readonly ignored: readonly string[];
}

/** Requests of a host that go to one group. */
export interface Match {
  readonly path: PathMatch;
  readonly filters: Filters;
  /** Index of {@link SiteDemand.groups}. */
  readonly group: number;
}

/**
 * `prefix` matches whole segments, as OpenShift's router does: `/a` matches `/a` and `/a/b`, `/a/` only what is below
 * it, and an empty value every path. `exact` matches the whole path and takes precedence.
 */
export interface PathMatch {
  readonly type: 'prefix' | 'exact';
  readonly value: string;
}

/** Characters of host and path together: HAProxy compares at most 4,095 bytes, four of which it needs itself. */
export const longestHostAndPath = 4091;

/** Changes of requests and responses. */
export interface Filters {
  /** Replaces the matched prefix. */
  readonly rewriteTarget?: string;
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
  /** Treatment of forwarded headers of clients. Absent: the router's default. */
  readonly forwarded?: ForwardedMode;
  /** Value of Strict-Transport-Security in responses over TLS. */
  readonly hsts?: string;
  /** Whether header names to servers get the case that the router is configured with. */
  readonly adjustsCase: boolean;
}

/** Sets a header, or removes it if there is no value. Values are in HAProxy's log format. */
export interface HeaderChange {
  readonly name: string;
  readonly value?: string;
}

/** Treatment of the forwarded headers of a client. */
export type ForwardedMode = 'append' | 'replace' | 'if-none' | 'never';

/** Which clients may use the site, and how much. */
export interface AccessRules {
  /** Networks of allowed clients (`10.0.0.0/8`), sorted. Absent: any client; empty: none. */
  readonly allowed?: readonly string[];
  readonly limits: ClientLimits;
}

/** Limits of one client address. */
export interface ClientLimits {
  /** Concurrent connections, or requests in progress. */
  readonly concurrentTcp?: number;
  /** Connections in 3 s. */
  readonly rateTcp?: number;
  /** Requests in 10 s. */
  readonly rateHttp?: number;
}

/** Services that share the requests of a match. */
export interface Group {
  readonly shares: readonly ServiceShare[];
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

/** A PEM text as written, not yet validated, with its field for messages. */
export interface PemText {
  readonly pem: string;
  readonly field: string;
}

/** TLS of clients. */
export interface SiteTls {
  /** Who terminates it: the router, or the endpoint (passthrough). */
  readonly end: 'router' | 'endpoint';
  /** Treatment of clients without TLS. */
  readonly plain: 'reject' | 'serve' | 'redirect';
  /** Absent: the default certificate. */
  readonly certificate?: CertificateSource;
}

/** Where a certificate comes from. `chain` is appended to it. */
export type CertificateSource =
  | {
      readonly from: 'text';
      readonly certificate: PemText;
      readonly key?: PemText;
      readonly chain?: PemText;
      /** Fields of certificate and key, for messages about a missing one. */
      readonly fields: { readonly certificate: string; readonly key: string };
    }
  | {
      readonly from: 'secret';
      /** Name of a Secret of type kubernetes.io/tls in the owner's namespace. */
      readonly name: string;
      readonly field: string;
      readonly chain?: PemText;
    };
