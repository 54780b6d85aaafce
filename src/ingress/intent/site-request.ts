import type { Parsed, Problem } from '../../base/model/problem.ts';
import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { CertificateSource } from './certificate-source.ts';
import type { Group } from './group.ts';
import type { ListenerId } from './listener.ts';
import type { Match } from './match.ts';

/** A request of one object for one host at layer 7, for any kind of object. */
export interface SiteRequest {
  /** The object, for the order of claims, limits of namespaces, and messages. */
  readonly owner: SiteOwner;
  /**
   * Where requests arrive. For a listener that is not the default one, host and span are the intersection of the
   * object's and the listener's hostname. An object has one request for each listener and host; requests of an object
   * with the same `demand.value` share backends.
   */
  readonly listener: ListenerId;
  /** In lower case. Absent if neither the object nor the router names one. */
  readonly host?: string;
  /** The names that the request covers. */
  readonly span: HostSpan;
  /** The request, or all of its problems. */
  readonly demand: Parsed<SiteDemand>;
}

/**
 * Names of a request:
 *
 * - `host`: the host itself;
 * - `label`: every name one label below the domain of the host (Route, `wildcardPolicy: Subdomain`); of the host
 *   `www.example.com`, every name one label below `example.com`;
 * - `labels`: every name below the host, with any number of labels (Gateway API, `*.example.com` with the host
 *   `example.com`);
 * - `all`: every name; the host is absent.
 *
 * The default listener serves `host` and `label`, other listeners all but `label`.
 */
export type HostSpan = 'host' | 'label' | 'labels' | 'all';

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
  /**
   * In order of precedence; never empty. On a listener that is not the default one, the planner decides precedence
   * over the matches of all requests for a host: exact path, longest regular expression, longest prefix, method, most
   * headers, most parameters, oldest object, `NAMESPACE/NAME`, and then this order.
   */
  readonly matches: readonly Match[];
  /** Targets of the matches. */
  readonly groups: readonly Group[];
  /** Absent: plain HTTP only. Ignored on a listener that is not the default one, which has its own TLS. */
  readonly tls?: SiteTls;
  readonly access: AccessRules;
  /**
   * How other spellings of a path count for access rules. `normalized`: the router must apply the rules of the path that
   * remains after decoding, merging slashes and resolving dots. `caseless`: likewise, without regard to case. Absent:
   * paths are compared as they come.
   */
  readonly spelling?: 'normalized' | 'caseless';
  /** Optional values that are invalid and count as absent. Shown in the status. */
  readonly warnings: readonly Problem[];
  /** Names of annotations without effect at layer 7, sorted. Shown in the status. */
  readonly ignored: readonly string[];
  /** Sentences for the author about differences from the request. Shown in the status. */
  readonly notes?: readonly string[];
  /** Sentences about requested functions that are missing. Shown in the status and in an Event. */
  readonly missing?: readonly string[];
  /**
   * Why the paths answer 503: the router cannot enforce an access rule of the object, and a shorter path of another
   * object must not answer instead.
   */
  readonly closed?: {
    readonly reason: string;
    readonly message: string;
    /** The Secret that contains the rule has not been read yet, which says nothing about it. */
    readonly isWaiting?: true;
  };
}

/** Clients that may use the site, and their limits. */
export interface AccessRules {
  /** Networks of allowed clients (`10.0.0.0/8`), sorted. Absent: any client; empty: none. */
  readonly allowed?: readonly string[];
  /** Networks of clients that are rejected although they are allowed, sorted. */
  readonly denied?: readonly string[];
  readonly limits: ClientLimits;
  /** Users who may use the site. Absent: anyone. */
  readonly login?: LoginDemand;
  /** Maximum length of a request's body in bytes. A longer one gets 413. */
  readonly bodySize?: number;
  /** Rejected clients get 403, or 503 above a limit. Absent: their connection is closed. */
  readonly answers?: true;
}

/** Basic authentication (RFC 7617). */
export interface LoginDemand {
  /** Names the list, whatever its content: sites with the same name have the same users. */
  readonly source: string;
  /** Printable ASCII without quotation marks, backslashes and `%`. */
  readonly realm: string;
  /** The users that can log in; never empty. */
  readonly users: readonly LoginUser[];
}

/** A user, and the hash of a password as crypt(3) knows it. Never log one. */
export interface LoginUser {
  readonly name: string;
  readonly hash: string;
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

/** TLS on the client side. */
export interface SiteTls {
  /** What terminates it: the router, or the endpoint (passthrough). */
  readonly end: 'router' | 'endpoint';
  /** Treatment of clients without TLS. */
  readonly plain: 'reject' | 'serve' | 'redirect';
  /** Status of the redirect to https. Absent: 302. */
  readonly redirectStatus?: 308;
  /** Absent: the default certificate. */
  readonly certificate?: CertificateSource;
  /**
   * Verification of the clients of the host, on all its paths, also those of other objects. Without TLS, all requests are
   * redirected. Absent: none.
   */
  readonly clients?: ClientDemand;
}

/** Verification of the clients of a host. */
export interface ClientDemand {
  /** `NAMESPACE/NAME` of the object with the authorities. Connections verified by one are not valid for another. */
  readonly name: string;
  /** Validated CA certificates. Absent: there are none, and every request gets 503. */
  readonly pem?: string;
  /**
   * `required`: clients need a valid certificate. `optional`: they may have none, but no invalid one. `untrusted`: also one
   * of an unknown issuer.
   */
  readonly mode: 'required' | 'optional' | 'untrusted';
  /** Whether servers get the certificate. */
  readonly passesCertificate?: true;
  /** A regular expression that the subject of the certificate (RFC 2253) must contain. Other clients get 403. */
  readonly subject?: string;
}
