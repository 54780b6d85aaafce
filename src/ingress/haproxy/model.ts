import type { Address } from '../../base/model/address.ts';

/**
 * Everything that HAProxy should serve, as values. Whoever makes a new state keeps the objects that did
 * not change: equal references are compared first, so that one change among 10,000 backends is found
 * quickly. Times are whole milliseconds throughout.
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
  /** Certificate authorities that servers are held to, PEM by name; {@link ServerTls.authority} refers to them. */
  readonly authorities: ReadonlyMap<string, string>;
}

/** A host, lower case and without port or final dot; `*.example.com` stands for every name one label below. */
export interface Site {
  readonly host: string;
  readonly paths: readonly SitePath[];
}

/**
 * What is asked for below one path of a host. The path is case-sensitive and taken literally: of
 * slashes only (or empty) it means everything, with a slash at the end everything below it but not
 * itself, else itself and what is below. The longest path that matches decides; where none does, the
 * wildcard of the parent domain.
 */
export interface SitePath {
  readonly path: string;
  /** Over plain HTTP: answered by the backend, sent to https, or neither. */
  readonly plain?: 'serve' | 'redirect';
  /** Answered by the backend when it comes over TLS that ends here. */
  readonly secure: boolean;
  readonly backend: string;
}

/** A host, or `*.` and a parent domain, whose TLS connections go to a backend of mode `tcp` as they are. */
export interface Passthrough {
  readonly host: string;
  readonly backend: string;
}

export type Balance = 'roundrobin' | 'leastconn' | 'source' | 'random';

/** What becomes of the X-Forwarded headers and Forwarded that a client sent. */
export type ForwardedMode = 'append' | 'replace' | 'if-none' | 'never';

/** Where requests or connections go, and what is done with them on the way. */
export interface Backend {
  /** What statistics and the log call it, as `be_edge_http:shop:cart`. */
  readonly id: string;
  /** What it was made for, such as a UID: another owner under the same id gets another section. */
  readonly owner?: string;
  /** A section that is reused goes to its previous tenant first. */
  readonly tenant?: string;
  readonly mode: 'http' | 'tcp';
  readonly balance: Balance;
  readonly servers: readonly Server[];
  /** Between two health checks of a server. */
  readonly checkInterval: number;
  /** Connections that one server gets at a time; the others queue. */
  readonly serverMaxconn?: number;
  /** Waiting for the server; absent as in {@link Timeouts.server}. */
  readonly timeoutServer?: number;
  /** Of upgraded connections and passthrough; absent as in {@link Timeouts.tunnel}. */
  readonly timeoutTunnel?: number;
  /** Clients that may connect: addresses and networks; absent: any client, empty: none. Other connections are closed. */
  readonly allowList?: readonly string[];
  readonly limits?: Limits;
  readonly http?: HttpBackend;
}

/** Of one client address at one backend; what reaches the limit is refused by closing the connection. */
export interface Limits {
  /** Requests (mode `tcp`: connections) in progress. */
  readonly concurrent?: number;
  /** New ones in 3 s. */
  readonly connectionRate?: number;
  /** Requests in 10 s; mode `http` only. */
  readonly requestRate?: number;
}

/** What only a backend of mode `http` has. */
export interface HttpBackend {
  /** Keeps a client at its server. */
  readonly cookie?: StickyCookie;
  /** Absent as in {@link Settings.forwarded}. */
  readonly forwarded?: ForwardedMode;
  readonly rewrite?: Rewrite;
  /** Strict-Transport-Security of answers. */
  readonly hsts?: string;
  readonly requestHeaders?: readonly HeaderAction[];
  readonly responseHeaders?: readonly HeaderAction[];
  /** Writes header names toward the server as {@link Settings.headerCases} says. */
  readonly adjustCase?: boolean;
  /** TLS to the servers. */
  readonly tls?: ServerTls;
}

export interface StickyCookie {
  readonly name: string;
  readonly secure: boolean;
  readonly sameSite?: 'Lax' | 'Strict' | 'None';
}

/** The path's `prefix`, taken literally, is replaced by `target`; a target `/` takes the slash after the prefix too. */
export interface Rewrite {
  readonly prefix: string;
  readonly target: string;
  /** Ends the path after `target`. */
  readonly dropRest?: boolean;
}

/** TLS to servers, with HTTP/2 offered. Without authority nothing is verified. */
export interface ServerTls {
  /** A name of {@link HttpState.authorities}. */
  readonly authority?: string;
}

/** Values are HAProxy's log format: `%%`, and `%[…]` or `%{+Q}[…]` of req.hdr or res.hdr, ssl_c_der, with lower or base64. */
export type HeaderAction =
  | { readonly action: 'set'; readonly name: string; readonly value: string }
  | { readonly action: 'delete'; readonly name: string };

export interface Server {
  /** Unique in its backend, as `pod:web-1:web:http:10.1.2.3:8080`; the cookie's value is its MD5. */
  readonly id: string;
  readonly address: Address;
  readonly port: number;
  /** 0–256; 0 gets only clients whose cookie names it. */
  readonly weight: number;
  readonly checked: boolean;
  /** It is spoken to by HTTP/2 without TLS; not where the backend has TLS. */
  readonly h2c?: boolean;
  /** The name that its certificate must have, where it is held to an authority. */
  readonly verifyHost?: string;
}

/** A certificate for hosts that name it by SNI. */
export interface Certificate {
  /** Of its file: letters, digits and `.:_-`. */
  readonly name: string;
  /** Key, certificate and chain. */
  readonly pem: string;
  /** Hosts, or `*.` and a parent domain; no host is in two certificates. */
  readonly hosts: readonly string[];
  /** HTTP/2 is offered, because no other host has this certificate. */
  readonly http2: boolean;
}

/** What is fixed when HAProxy starts: a change of any of it reloads. */
export interface Settings {
  readonly listen: Listen;
  readonly timeouts: Timeouts;
  readonly process: ProcessSettings;
  readonly tls: TlsSettings;
  readonly clientTls?: ClientTls;
  readonly log?: LogSettings;
  readonly stats?: StatsSettings;
  /** X-SSL headers that a client sends are removed (ROUTER_MUTUAL_TLS_HEADER_FILTER). */
  readonly removeSslHeaders: boolean;
  readonly forwarded: ForwardedMode;
  /** Made into the header `name` of each request by a log format. */
  readonly uniqueId?: { readonly name: string; readonly format: string };
  /** How header names are written to HTTP/1 clients, and to servers where a backend asks for it. */
  readonly headerCases: readonly string[];
  readonly requestHeaders: readonly HeaderAction[];
  readonly responseHeaders: readonly HeaderAction[];
  /** Media types that are compressed; absent: none. */
  readonly compression?: readonly string[];
  /** Whole HTTP answers (status line, headers, body) in place of the built-in ones. */
  readonly errorPages: { readonly 503?: string; readonly 404?: string };
  /** Answered 200 on the plain port whatever the host. */
  readonly healthUri?: string;
  /** Connections on which nothing was sent end without an answer and are not logged. */
  readonly ignoreProbes: boolean;
  /** Connections without data are not logged. */
  readonly ignoreEmptyInLog: boolean;
  /** Idle connections outlive a reload for their next answer, which closes them. */
  readonly idleCloseOnResponse: boolean;
  /** What a client left waiting before it closed is not sent to servers. */
  readonly abortOnClose: boolean;
  /** Counters of long transfers move while they last. */
  readonly continuousStats: boolean;
  /** Requests and connections in progress at one backend; absent: half of all, for passthrough a tenth. */
  readonly routeConnections?: number;
  /** Backends kept ready for new hosts, of each of the common kinds. */
  readonly spareBackends: number;
}

/** Addresses and ports that HAProxy listens on. */
export interface Listen {
  readonly family: 'v4' | 'v6' | 'v4v6';
  /** Absent: every address. */
  readonly address?: Address;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Connections begin with a PROXY protocol header (v1 or v2). */
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
  /** A whole request header must have come. */
  readonly request: number;
  /** Between two requests of a connection. */
  readonly keepAlive: number;
  /** A whole TLS ClientHello must have come. */
  readonly inspect: number;
}

export interface ProcessSettings {
  /** Connections at a time; absent: as many as the limit of files allows. */
  readonly maxconn?: number;
  /** Absent: one per CPU. */
  readonly threads?: number;
  /** Bytes of a buffer, and those of it that are kept for changed headers. */
  readonly bufsize: number;
  readonly maxrewrite: number;
  /** An old worker ends after this with whatever it still has. */
  readonly hardStopAfter?: number;
}

export interface TlsSettings {
  /** Key and certificate for connections that no certificate of the state fits. */
  readonly defaultCertificate: string;
  readonly minVersion: 'TLSv1.0' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion?: 'TLSv1.0' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  /** Up to TLS 1.2, OpenSSL's colon list. */
  readonly ciphers?: string;
  /** TLS 1.3. */
  readonly ciphersuites?: string;
  readonly curves?: string;
  /** A name without a certificate of its own ends the handshake. */
  readonly strictSni: boolean;
}

/** Certificates of clients. */
export interface ClientTls {
  readonly verify: 'optional' | 'required';
  readonly authorities: string;
  readonly revocations?: string;
  /** A regular expression for the subject; 403 for the others. */
  readonly subjectFilter?: string;
}

export interface LogSettings {
  readonly target: { readonly kind: 'stdout' } | { readonly kind: 'syslog'; readonly address: string };
  readonly facility: string;
  readonly level: string;
  /** Bytes of a line. */
  readonly maxLength: number;
  /** Of requests; absent: HAProxy's own. */
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

/** HAProxy's own page and Prometheus exporter (`/metrics`). */
export interface StatsSettings {
  readonly listen: { readonly kind: 'tcp'; readonly port: number } | { readonly kind: 'unix'; readonly path: string };
  readonly username?: string;
  readonly password?: string;
}
