import type { Address } from '../../base/model/address.ts';
import type { Gateways } from './rule.ts';

/**
 * Everything that HAProxy should serve, as values. A new state should reuse the objects that did not change:
 * references are compared first, so that one change among 10,000 backends is found quickly. Times are whole
 * milliseconds.
 */
export interface HttpState {
  readonly settings: Settings;
  /** By {@link Site.host}. */
  readonly sites: ReadonlyMap<string, Site>;
  /** By {@link Passthrough.host}. */
  readonly passthrough: ReadonlyMap<string, Passthrough>;
  /** By {@link Backend.id}. */
  readonly backends: ReadonlyMap<string, Backend>;
  /** By {@link Certificate.name}. */
  readonly certificates: ReadonlyMap<string, Certificate>;
  /**
   * Certificate authorities for servers, and certificates that the router presents to them, as PEM by name.
   * {@link ServerTls.authority} and {@link VerifiedTls} refer to them.
   */
  readonly authorities: ReadonlyMap<string, string>;
  /** Listeners that are not the default one. */
  readonly gateways: Gateways;
}

/**
 * A host in lower case, without port and final dot. `*.example.com` matches every name one label below, and `*` every
 * name for which there is no other site.
 */
export interface Site {
  readonly host: string;
  readonly paths: readonly SitePath[];
  /** The ports at which a listener of a Gateway has the host, so that the wildcard above it does not apply. */
  readonly ceded?: readonly SitePort[];
  /** Present if clients must not reach a path by another spelling, because paths have different access rules. */
  readonly guard?: SiteGuard;
  /** Present if the clients of the host are verified, on all paths. */
  readonly clients?: SiteClients;
}

/** Verification of the clients of a host. Requests that reach HAProxy in another way than by its frontend get 421. */
export interface SiteClients {
  /** Number of the inner frontend with the authorities of the host. 0: there is none, and every request gets 503. */
  readonly inner: number;
  /**
   * `required`: a client needs a valid certificate. `optional`: it may have none, but no invalid one. `untrusted`: it may
   * also have one of an unknown issuer. Others get 400.
   */
  readonly mode: 'required' | 'optional' | 'untrusted';
  /** Whether servers get the certificate. */
  readonly passesCertificate?: true;
  /** A regular expression that the subject of the certificate (RFC 2253) must contain. Other clients get 403. */
  readonly subject?: string;
}

/** The access rules of each path of a host. */
export interface SiteGuard {
  /** Whether upper and lower case mean the same. */
  readonly isCaseless: boolean;
  readonly paths: readonly GuardedPath[];
}

/** Access rules of a path. The longest one that a normalized path begins with counts. */
export interface GuardedPath {
  readonly path: string;
  /** `exact` and `prefix` as {@link SitePath}; `text` matches every path that begins with it, without regard to slashes. */
  readonly type: 'exact' | 'prefix' | 'text';
  /** Names the rules. Absent: none. */
  readonly rules?: string;
}

/** The router's own ports: plain HTTP, and TLS. */
export type SitePort = 'plain' | 'secure';

/**
 * Behaviour below one path of a host. The path is case-sensitive and literal. An empty path, or one of slashes only,
 * matches everything. A path with a final slash matches everything below it but not itself; any other path matches
 * itself and everything below. The longest matching path wins; without a match, the wildcard of the parent domain
 * applies.
 */
export interface SitePath {
  readonly path: string;
  /** Matches only this path, and takes precedence over prefixes. */
  readonly exact?: true;
  /** Over plain HTTP: served by the backend, redirected to https, or neither. */
  readonly plain?: 'serve' | 'redirect';
  /** Status of the redirect to https. Absent: 302. */
  readonly redirectStatus?: 308;
  /** Whether the backend serves requests over TLS that ends here. */
  readonly secure: boolean;
  readonly backend: string;
  /**
   * The path has access rules: as long as HAProxy cannot serve its backend, requests get 503. Absent: a shorter path
   * answers meanwhile.
   */
  readonly isRestricted?: true;
}

/** A host, or `*.` and a parent domain, whose TLS connections are forwarded unchanged to a backend of mode `tcp`. */
export interface Passthrough {
  readonly host: string;
  readonly backend: string;
}

export type Balance = 'roundrobin' | 'leastconn' | 'source' | 'random';

/** How X-Forwarded headers and Forwarded of clients are treated. */
export type ForwardedMode = 'append' | 'replace' | 'if-none' | 'never';

/** A target of requests or connections, with its features. */
export interface Backend {
  /** Its name in statistics and in the log, such as `be_edge_http:shop:cart`. */
  readonly id: string;
  /** The object that it belongs to, such as a UID. Another owner with the same ID gets another section. */
  readonly owner?: string;
  /**
   * Names its Services. With others, a backend gets another section unless it is the only one of its object before and
   * after: an ID is the number of a rule, and requests that wait in the section may be of another rule, which did not ask
   * for the new Services.
   */
  readonly services?: string;
  /** Whether its object has no other backend. */
  readonly isOnly?: true;
  /** A reused section preferably returns to its previous tenant. */
  readonly tenant?: string;
  readonly mode: 'http' | 'tcp';
  readonly balance: Balance;
  readonly servers: readonly Server[];
  /** Milliseconds between health checks of a server; 0: no checks. */
  readonly checkInterval: number;
  /** Maximum concurrent connections per server. Further ones queue. */
  readonly serverMaxconn?: number;
  /** Timeout of the server. Absent: {@link Timeouts.server}. */
  readonly timeoutServer?: number;
  /** Timeout of upgraded and passthrough connections. Absent: {@link Timeouts.tunnel}. */
  readonly timeoutTunnel?: number;
  /** Addresses and networks of allowed clients. Absent: any client; empty: none. Other connections are closed. */
  readonly allowList?: readonly string[];
  /** Addresses and networks of rejected clients, even if they are allowed. */
  readonly denyList?: readonly string[];
  readonly limits?: Limits;
  /** Rejected clients get 403, and 503 above a limit, instead of a closed connection; mode `http` only. */
  readonly answersRejected?: boolean;
  readonly http?: HttpBackend;
}

/** Limits of one client address at one backend. Connections beyond the limit are closed. */
export interface Limits {
  /** Concurrent requests; in mode `tcp` connections. */
  readonly concurrent?: number;
  /** New ones within 3 s. */
  readonly connectionRate?: number;
  /** Requests within 10 s; mode `http` only. */
  readonly requestRate?: number;
}

/** Features of backends of mode `http`. */
export interface HttpBackend {
  /** Keeps a client on its server. */
  readonly cookie?: StickyCookie;
  /** Absent: {@link Settings.forwarded}. */
  readonly forwarded?: ForwardedMode;
  readonly rewrite?: Rewrite;
  /** Answers every request instead of a server. */
  readonly redirect?: BackendRedirect;
  readonly cors?: Cors;
  /** Receive copies of requests. Their answers are ignored. */
  readonly mirrors?: readonly Mirror[];
  readonly limit?: ExchangeLimit;
  readonly retry?: Retry;
  readonly steering?: ServerSteering;
  /** Value of X-Forwarded-Prefix. */
  readonly forwardedPrefix?: string;
  /** Maximum Content-Length of requests in bytes. Longer ones get 413. */
  readonly bodySize?: number;
  /** Strict-Transport-Security header of responses. */
  readonly hsts?: string;
  readonly requestHeaders?: readonly HeaderAction[];
  readonly responseHeaders?: readonly HeaderAction[];
  /** Changes with literal values. */
  readonly requestEdits?: HeaderEdits;
  readonly responseEdits?: HeaderEdits;
  /** Host that servers see. */
  readonly rewriteHost?: string;
  /** Applies {@link Settings.headerCases} to requests to the servers. */
  readonly adjustCase?: boolean;
  /** TLS to the servers. */
  readonly tls?: ServerTls;
  /** Rejects requests whose normalized path has other access rules. */
  readonly guard?: PathGuard;
  /** Admits only users with a password. Other requests get 401. Needs a reload. */
  readonly login?: Login;
}

/** Basic authentication (RFC 7617). */
export interface Login {
  /** Printable ASCII without quotation marks, backslashes and `%`; not empty. */
  readonly realm: string;
  readonly users: readonly User[];
}

/** A user with the hash of a password, as crypt(3) knows it. Never log one. */
export interface User {
  readonly name: string;
  readonly hash: string;
}

/** The {@link SiteGuard} that applies to a backend. */
export interface PathGuard {
  /** {@link Site.host}. */
  readonly host: string;
  readonly isCaseless: boolean;
  /** The backend's own rules, as {@link GuardedPath.rules}. */
  readonly rules?: string;
}

export interface StickyCookie {
  readonly name: string;
  readonly secure: boolean;
  /** Secure in responses over TLS only. */
  readonly secureOverTls?: true;
  readonly sameSite?: 'Lax' | 'Strict' | 'None';
  /** Absent: `/`. */
  readonly path?: string;
  readonly domain?: string;
  /** Seconds. Absent: until the browser ends. */
  readonly maxAge?: number;
}

/** A redirect of all requests. Absent parts are those of the request. */
export interface BackendRedirect {
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly scheme?: 'http' | 'https';
  /** With an optional port. */
  readonly host?: string;
  /** Replaces path and query. */
  readonly path?: string;
}

/**
 * Servers for requests with a header or cookie, regardless of weights. The value `always` selects `chosen`, `never`
 * selects `others`. The header takes precedence. One of the servers is picked at random.
 */
export interface ServerSteering {
  /** With `value`, only that value selects, and only `chosen`. */
  readonly header?: { readonly name: string; readonly value?: string };
  readonly cookie?: string;
  /** IDs of servers. */
  readonly chosen: readonly string[];
  readonly others: readonly string[];
}

/** Cross-origin requests (Fetch standard): allowed ones get the headers, and preflight requests 204. */
export interface Cors {
  /** `*`, or origins such as `https://a.example`; `https://*.example` means names one label below. */
  readonly origins: readonly string[];
  /**
   * As the Gateway API demands: wildcards in origins cover any number of labels, `https://*` every host; every preflight
   * request is answered here, and only these get the headers about methods, headers and age; with credentials, no
   * header has the value `*`. Methods and headers may be empty. Absent: every OPTIONS request of an allowed origin is
   * answered, and all responses get all headers.
   */
  readonly byFetch?: true;
  readonly methods: string;
  readonly headers: string;
  readonly exposed?: string;
  readonly credentials: boolean;
  /** Seconds. */
  readonly maxAge: number;
}

/** Servers of which one, in turn, receives copies of a part of the requests. */
export interface Mirror {
  readonly servers: readonly { readonly address: Address; readonly port: number }[];
  /** Part of the requests: `numerator` of `denominator`. */
  readonly numerator: number;
  readonly denominator: number;
  /** Host header of the copies. Absent: as the server gets it. */
  readonly host?: string;
  /** Copies have no body. */
  readonly isBodiless?: true;
  /** Copies have the path and query that the client sent, before rewrites. */
  readonly isOriginal?: true;
}

/** Limits of the duration of an exchange. Longer ones get 504, or end if the response has begun. */
export interface ExchangeLimit {
  /** From the request's headers to the end of the response. */
  readonly whole?: number;
  /** Of one try. Absent: `whole`. */
  readonly attempt?: number;
}

/** Repeats failed requests. Absent: only connections that cannot be opened are repeated. */
export interface Retry {
  /** Further tries after the first one. */
  readonly attempts: number;
  /** Statuses of responses that are repeated: those that HAProxy knows ({@link retryCodes}). */
  readonly codes: readonly number[];
}

/** Replaces the path's literal `prefix` with `target`. A target `/` also replaces the slash after the prefix. */
export interface Rewrite {
  readonly prefix: string;
  readonly target: string;
  /** Drops the rest of the path after `target`. */
  readonly dropRest?: boolean;
}

/** TLS to servers, offering HTTP/2. Without an authority, certificates are not verified. */
export interface ServerTls {
  /** A name of {@link HttpState.authorities}. */
  readonly authority?: string;
}

/**
 * Values are in HAProxy's log format: `%%`, and `%[…]` or `%{+Q}[…]` with req.hdr or res.hdr, ssl_c_der, lower or
 * base64.
 */
export type HeaderAction =
  | { readonly action: 'set'; readonly name: string; readonly value: string }
  | { readonly action: 'delete'; readonly name: string };

/** Changes of headers. A name has one of them, but Set-Cookie may be set once and added twice. */
export interface HeaderEdits {
  readonly set: readonly { readonly name: string; readonly value: string }[];
  readonly add: readonly { readonly name: string; readonly value: string }[];
  readonly remove: readonly string[];
}

export interface Server {
  /** Unique in its backend, such as `pod:web-1:web:http:10.1.2.3:8080`. The value of the cookie is its MD5. */
  readonly id: string;
  readonly address: Address;
  readonly port: number;
  /** 0–256. With 0 it serves only clients whose cookie names it. */
  readonly weight: number;
  readonly checked: boolean;
  /** Uses HTTP/2 without TLS. Ignored if the backend has TLS. */
  readonly h2c?: boolean;
  /** Name that its certificate must contain, if there is an authority. */
  readonly verifyHost?: string;
  /** TLS to this server. Takes precedence over {@link HttpBackend.tls}. */
  readonly tls?: VerifiedTls;
}

/** TLS to a server whose certificate is always verified. */
export interface VerifiedTls {
  /** TLS server name, which the certificate must contain. */
  readonly name: string;
  /** A name of {@link HttpState.authorities}. */
  readonly authority: string;
  /** Certificate and key that the router presents: a name of {@link HttpState.authorities}. */
  readonly certificate?: string;
}

/** A certificate for hosts selected by SNI. */
export interface Certificate {
  /** Name of its file: letters, digits and `.:_-`. */
  readonly name: string;
  /** Key, certificate and chain. */
  readonly pem: string;
  /** Hosts, or `*.` and a parent domain. No host is in two certificates. */
  readonly hosts: readonly string[];
  /** Whether to offer HTTP/2, because no other host uses this certificate. */
  readonly http2: boolean;
  /** Number of the inner frontend that uses it. Absent: the default listener. */
  readonly inner?: number;
}

/** Settings that are fixed when HAProxy starts. Any change needs a reload. */
export interface Settings {
  readonly listen: Listen;
  readonly timeouts: Timeouts;
  readonly process: ProcessSettings;
  readonly tls: TlsSettings;
  readonly clientTls?: ClientTls;
  readonly log?: LogSettings;
  readonly stats?: StatsSettings;
  /** Removes X-SSL headers of clients (ROUTER_MUTUAL_TLS_HEADER_FILTER). */
  readonly removeSslHeaders: boolean;
  readonly forwarded: ForwardedMode;
  /** Adds the header `name` with a unique ID in a log format to each request. */
  readonly uniqueId?: { readonly name: string; readonly format: string };
  /** Case of header names for HTTP/1 clients, and for servers of backends that request it. */
  readonly headerCases: readonly string[];
  readonly requestHeaders: readonly HeaderAction[];
  readonly responseHeaders: readonly HeaderAction[];
  /** Media types to compress. Absent: none. */
  readonly compression?: readonly string[];
  /** Complete HTTP responses (status line, headers, body) that replace the built-in ones. */
  readonly errorPages: { readonly 503?: string; readonly 404?: string };
  /** Path that answers 200 on the plain port for any host. */
  readonly healthUri?: string;
  /** Closes connections without data silently and does not log them. */
  readonly ignoreProbes: boolean;
  /** Does not log connections without data. */
  readonly ignoreEmptyInLog: boolean;
  /** Keeps idle connections across a reload until their next response, which closes them. */
  readonly idleCloseOnResponse: boolean;
  /** Drops queued requests of clients that have disconnected. */
  readonly abortOnClose: boolean;
  /** Updates counters during long transfers. */
  readonly continuousStats: boolean;
  /** Maximum concurrent requests or connections per backend. Absent: half of all, a tenth for passthrough. */
  readonly routeConnections?: number;
  /** Absent: only the default listener. */
  readonly gateways?: GatewaySettings;
  /** Number of spare backends for new hosts, for each of the common kinds. */
  readonly spareBackends: number;
}

/** Resources for listeners that are not the default one, created in advance because they need a reload. */
export interface GatewaySettings {
  /** Ports of HAProxy to which the kernel translates connections: one for each port of a listener. */
  readonly ports: { readonly http: PortSpan; readonly tls: PortSpan };
  /** Number of frontends that terminate TLS, one for each address and port. The router's own port has one more. */
  readonly inner: number;
  /**
   * Number of frontends that require client certificates, one for each address, port and set of authorities, and number
   * of those that only ask for one. Absent: none.
   */
  readonly clients?: number;
  /** Number of frontends that terminate the TLS of connections without HTTP. Absent: none. */
  readonly ended?: number;
  /** Number of frontends for hosts of the default listener with client certificates, one for each set of authorities. */
  readonly sites?: number;
  /** Never offers HTTP/2 over TLS. */
  readonly http1Only?: true;
}

/** First and last port. */
export interface PortSpan {
  readonly from: number;
  readonly to: number;
}

/** Addresses and ports that HAProxy listens on. */
export interface Listen {
  readonly family: 'v4' | 'v6' | 'v4v6';
  /** Absent: all addresses. */
  readonly address?: Address;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Whether connections begin with a PROXY protocol header (v1 or v2). */
  readonly proxyProtocol: boolean;
}

export interface Timeouts {
  readonly connect: number;
  readonly client: number;
  readonly clientFin: number;
  readonly server: number;
  readonly serverFin: number;
  readonly tunnel: number;
  readonly check: number;
  /** Time limit for the complete header of a request. */
  readonly request: number;
  /** Time limit between two requests of a connection. */
  readonly keepAlive: number;
  /** Time limit for the complete TLS ClientHello. */
  readonly inspect: number;
}

export interface ProcessSettings {
  /** Maximum concurrent connections. Absent: as many as the file limit allows. */
  readonly maxconn?: number;
  /** Absent: one per CPU. */
  readonly threads?: number;
  /** Size of a buffer in bytes, and the part that is reserved for header rewrites. */
  readonly bufsize: number;
  readonly maxrewrite: number;
  /** An old worker ends after this time, even with connections. */
  readonly hardStopAfter?: number;
}

export interface TlsSettings {
  /** Key and certificate for connections that match no certificate of the state. */
  readonly defaultCertificate: string;
  readonly minVersion: 'TLSv1.0' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion?: 'TLSv1.0' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  /** Up to TLS 1.2, in OpenSSL's format. */
  readonly ciphers?: string;
  /** TLS 1.3. */
  readonly ciphersuites?: string;
  readonly curves?: string;
  /** Rejects the handshake for a name without a certificate of its own. */
  readonly strictSni: boolean;
}

/** Client certificates. */
export interface ClientTls {
  readonly verify: 'optional' | 'required';
  readonly authorities: string;
  readonly revocations?: string;
  /** A regular expression for the subject. Other clients get 403. */
  readonly subjectFilter?: string;
}

export interface LogSettings {
  readonly target: { readonly kind: 'stdout' } | { readonly kind: 'syslog'; readonly address: string };
  readonly facility: string;
  readonly level: string;
  /** Maximum length of a line in bytes. */
  readonly maxLength: number;
  /** Format for requests. Absent: HAProxy's own. */
  readonly httpFormat?: string;
  readonly tcpFormat?: string;
  readonly captureRequestHeaders: readonly Capture[];
  readonly captureResponseHeaders: readonly Capture[];
  readonly captureCookie?: { readonly name: string; readonly prefix: boolean; readonly length: number };
}

export interface Capture {
  readonly name: string;
  readonly length: number;
}

/** HAProxy's statistics page and Prometheus exporter (`/metrics`). */
export interface StatsSettings {
  readonly listen: { readonly kind: 'tcp'; readonly port: number } | { readonly kind: 'unix'; readonly path: string };
  readonly username?: string;
  readonly password?: string;
}
