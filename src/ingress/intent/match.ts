import type { ServiceShare } from './service-share.ts';

/** Requests of a host that go to one group. All conditions must hold. */
export interface Match {
  readonly path: PathMatch;
  /** Method of the request, in upper case. Absent: any. */
  readonly method?: string;
  /** Conditions on headers. Names are case-insensitive; of equal names, the first one counts. */
  readonly headers?: readonly ValueMatch[];
  /** Conditions on query parameters; of a repeated parameter, the first value counts. */
  readonly params?: readonly ValueMatch[];
  readonly filters: Filters;
  /** Index into `SiteDemand.groups`. Ignored if the filters redirect. */
  readonly group: number;
  /** The access rules also apply to every path that begins with this text, instead of to `path` alone. */
  readonly covers?: string;
}

/**
 * - `prefix` matches whole segments, as OpenShift's router does: `/a` matches `/a` and `/a/b`, `/a/` only what is
 *   below it, and an empty value every path;
 * - `element` is a prefix as in the Gateway API and Ingress, where a trailing slash is ignored: `/a/` is `/a`;
 * - `exact` matches the whole path and takes precedence;
 * - `regex` is an RE2 pattern that matches the whole path.
 *
 * The default listener serves all but `regex`.
 */
export interface PathMatch {
  readonly type: 'prefix' | 'element' | 'exact' | 'regex';
  readonly value: string;
}

/** A condition on a header or query parameter. */
export interface ValueMatch {
  readonly name: string;
  readonly type: 'exact' | 'regex';
  readonly value: string;
}

/** Maximum length of host and path together: HAProxy compares at most 4,095 bytes, four of which it needs itself. */
export const longestHostAndPath = 4091;

/**
 * Changes of requests and responses. All matches of a group must have the same filters, and the same path if the
 * filters replace its prefix; otherwise they need groups of their own.
 */
export interface Filters {
  /** Replaces the matched prefix. */
  readonly rewriteTarget?: string;
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
  /** Changes with literal values, in addition to those above. */
  readonly requestEdits?: HeaderEdits;
  readonly responseEdits?: HeaderEdits;
  /** Answers with a redirect instead of a group. */
  readonly redirect?: Redirect;
  /** Answers preflight requests and allows cross-origin requests (Fetch standard). */
  readonly cors?: CorsRules;
  /** Receive copies of the requests, after all changes. */
  readonly mirrors?: readonly Mirror[];
  /** Host header that servers receive. */
  readonly rewriteHost?: string;
  /** Value of X-Forwarded-Prefix. */
  readonly forwardedPrefix?: string;
  readonly rewritePath?: PathRewrite;
  /** Treatment of forwarded headers of clients. Absent: the router's default. */
  readonly forwarded?: ForwardedMode;
  /** Value of Strict-Transport-Security in responses over TLS. */
  readonly hsts?: string;
  /** Whether header names in requests to servers get the case that the router configures. */
  readonly adjustsCase: boolean;
}

/** Sets a header, or removes it if there is no value. Values are in HAProxy's log format. */
export interface HeaderChange {
  readonly name: string;
  readonly value?: string;
}

/**
 * Header changes as the Gateway API defines them. A name has at most one action, but Set-Cookie may be set once and added
 * twice: by a rule and by its backend.
 */
export interface HeaderEdits {
  /** Replaces all values. */
  readonly set: readonly HeaderValue[];
  /** Appends a value. */
  readonly add: readonly HeaderValue[];
  readonly remove: readonly string[];
}

/** A header with a literal value. */
export interface HeaderValue {
  readonly name: string;
  readonly value: string;
}

/** A redirect as the Gateway API defines it. */
export interface Redirect {
  /** Absent: that of the request. */
  readonly scheme?: 'http' | 'https';
  /** Absent: that of the request, without port. */
  readonly host?: string;
  /** Absent: the well-known port of `scheme`; without one, the listener's. Well-known ports are omitted. */
  readonly port?: number;
  /** Absent: that of the request. The query is kept. */
  readonly path?: PathRewrite;
  readonly status: 301 | 302 | 303 | 307 | 308;
}

/** Replaces the whole path, or the prefix that the match names. */
export interface PathRewrite {
  readonly type: 'full' | 'prefix';
  readonly value: string;
}

/** Treatment of the forwarded headers of a client. */
export type ForwardedMode = 'append' | 'replace' | 'if-none' | 'never';

/** A Service of which one endpoint, in turn, receives copies of requests. */
export interface Mirror {
  /** Its weight has no meaning. */
  readonly share: ServiceShare;
  /** Part of the requests: `numerator` of `denominator`, which are whole numbers. */
  readonly numerator: number;
  readonly denominator: number;
  /** Host header of the copies. Absent: as the server gets it. */
  readonly host?: string;
  /** Copies have no body. */
  readonly isBodiless?: true;
  /** Copies have the path and query that the client sent, before rewrites. */
  readonly isOriginal?: true;
}

/** Cross-origin requests. */
export interface CorsRules {
  /**
   * Behaviour as the Gateway API defines it; wildcards cover any number of labels. Absent: as ingress-nginx, which
   * answers every OPTIONS request of an allowed origin.
   */
  readonly byFetch?: true;
  /** `*` means all; `https://*.example.com` means names one label below. */
  readonly origins: readonly string[];
  /** Values of the headers Access-Control-Allow-Methods, -Headers, and Access-Control-Expose-Headers. */
  readonly methods: string;
  readonly headers: string;
  readonly exposed?: string;
  readonly credentials: boolean;
  /** Seconds. */
  readonly maxAge: number;
}
