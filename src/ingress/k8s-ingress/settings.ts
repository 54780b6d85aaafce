import type { SiteBalance } from '../intent/group.ts';
import type { CorsRules, Mirror } from '../intent/match.ts';
import type { UsersFormat } from '../intent/references.ts';
import type { ClientDemand } from '../intent/site-request.ts';

/** Settings by annotations, for all hosts and paths of an Ingress. Absent fields use the router's default. */
export interface IngressSettings {
  /** Replaces the path; may contain `$1`–`$9`, the groups of the path's regular expression. */
  readonly rewriteTarget?: string;
  /** Whether paths of type ImplementationSpecific or Prefix are regular expressions. */
  readonly usesRegex: boolean;
  /** Redirects to https: `never`, `tls` for hosts with TLS, or `always`. */
  readonly httpsRedirect: 'never' | 'tls' | 'always';
  /** Answers every request with a redirect. */
  readonly redirect?: { readonly location: RedirectLocation; readonly status: RedirectStatus };
  /** Path to which requests for `/` are redirected. */
  readonly appRoot?: string;
  /** Redirects between `www.HOST` and `HOST`. */
  readonly redirectsWww: boolean;
  readonly passthrough: boolean;
  /** Additional names of the hosts. */
  readonly aliases: readonly string[];
  /** Milliseconds without data from the server. */
  readonly serverTimeout?: number;
  /** Networks of allowed clients, sorted. Absent: any client. */
  readonly allowed?: readonly string[];
  /** Networks of rejected clients, sorted. */
  readonly denied?: readonly string[];
  /** Basic authentication. */
  readonly login?: IngressLogin;
  /** Client certificates, for all paths of the hosts. `off`: servers learn that there are none. */
  readonly clients?: IngressClients | 'off';
  readonly cookie?: IngressCookie;
  /** Protocol of the servers. */
  readonly protocol: 'http' | 'https' | 'grpc' | 'grpcs';
  readonly limits: {
    /** Concurrent requests. */
    readonly concurrent?: number;
    /** Requests in 10 s. */
    readonly rate?: number;
  };
  readonly cors?: CorsRules;
  /** Receives copies of all requests. */
  readonly mirror?: Mirror;
  readonly canary?: CanarySettings;
  /** Host header that servers receive. */
  readonly upstreamHost?: string;
  /** Value of X-Forwarded-Prefix. */
  readonly forwardedPrefix?: string;
  readonly balance?: SiteBalance;
  /** Maximum length of a request's body in bytes. */
  readonly bodySize?: number;
}

/** Status codes of redirects. */
export type RedirectStatus = 301 | 302 | 303 | 307 | 308;

/** The parts of an absolute URL, or of a path alone. */
export interface RedirectLocation {
  readonly scheme?: 'http' | 'https';
  readonly host?: string;
  readonly port?: number;
  /** Absent: the path of the request. */
  readonly path?: string;
}

/** Basic authentication by the users in a Secret. */
export interface IngressLogin {
  /** `NAMESPACE/NAME`, in the namespace of the Ingress. */
  readonly secret: string;
  readonly format: UsersFormat;
  readonly realm: string;
}

/** Verification of clients by the authorities in a Secret. */
export interface IngressClients {
  /** `NAMESPACE/NAME`, in the namespace of the Ingress. */
  readonly secret?: string;
  /** As {@link ClientDemand.mode}. */
  readonly mode: ClientDemand['mode'];
  /** Whether servers get the certificate. */
  readonly passesCertificate?: true;
  /** As {@link ClientDemand.subject}. */
  readonly subject?: string;
  /** The annotations cannot be honored, and the hosts are closed. */
  readonly isUnfit?: true;
}

/** A sticky cookie. */
export interface IngressCookie {
  readonly name: string;
  readonly sameSite?: 'Lax' | 'Strict' | 'None';
  readonly path?: string;
  readonly domain?: string;
  /** Seconds. */
  readonly maxAge?: number;
  readonly secure?: boolean;
}

/**
 * A canary's share of another Ingress's requests. The header takes precedence over the cookie, the cookie over the
 * weight.
 */
export interface CanarySettings {
  readonly header?: { readonly name: string; readonly value?: string };
  readonly cookie?: string;
  /** Of `total`. */
  readonly weight: number;
  readonly total: number;
}

/**
 * How far a setting is honored:
 * - `works`: as in the controller for which it was written;
 * - `differs`: with the difference in the message;
 * - `ignored`: it has no effect, and clients do not depend on it;
 * - `refused`: the router lacks its function; the rest of the object is served;
 * - `closed`: it restricts access or changes the request that a server receives, and cannot be honored, so all paths of
 *   the object answer 503.
 */
export type Outcome = 'works' | 'differs' | 'ignored' | 'refused' | 'closed';

/** How far one annotation or field of an Ingress is honored. */
export interface Finding {
  /** Name of the annotation, or path of the field. */
  readonly subject: string;
  /** As written, shortened. */
  readonly value?: string;
  readonly outcome: Outcome;
  /** One sentence without a full stop. Empty if the outcome is `works`. */
  readonly message: string;
  /** The replacement to write. */
  readonly suggestion?: string;
}
