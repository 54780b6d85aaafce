/** Requests of listeners other than the default one. */
export interface Gateways {
  /** By {@link VirtualHost.key}. */
  readonly hosts: ReadonlyMap<string, VirtualHost>;
  /** By {@link TlsName.key}. */
  readonly tlsNames: ReadonlyMap<string, TlsName>;
  /** Name of the place by `PORT@ADDRESS`, or `PORT@*` for every other address. */
  readonly places: ReadonlyMap<string, string>;
  /** Port of a listener by the port of HAProxy to which its connections are translated. */
  readonly ports: ReadonlyMap<string, string>;
  /** Number of the inner frontend that terminates the TLS of a place, from 1. */
  readonly inner: ReadonlyMap<string, number>;
  /** Default certificates of inner frontends, by their number. Absent: the router's. */
  readonly defaults: ReadonlyMap<number, string>;
  /** Authorities of client certificates, by number of the inner frontend. Absent: it accepts no request. */
  readonly clients: ReadonlyMap<number, ClientAuthorities>;
  /** Owners of {@link defaults} and {@link clients}, by number of the inner frontend. They pay for reloads. */
  readonly owners: ReadonlyMap<number, InnerOwners>;
  /** Names whose TLS an inner frontend for connections has terminated, by {@link TlsName.key}. */
  readonly endedNames: ReadonlyMap<string, TlsName>;
}

/** No such requests. */
export const noGateways: Gateways = {
  hosts: new Map(),
  tlsNames: new Map(),
  places: new Map(),
  ports: new Map(),
  inner: new Map(),
  defaults: new Map(),
  clients: new Map(),
  owners: new Map(),
  endedNames: new Map(),
};

/** Owners of what an inner frontend has. Absent: the administrator. */
export interface InnerOwners {
  readonly defaults?: string;
  readonly clients?: string;
}

/** Authorities that verify client certificates. */
export interface ClientAuthorities {
  /** Connections verified in one scope are not valid in another. */
  readonly scope: string;
  readonly pem: string;
}

/** A name in a ClientHello. */
export interface TlsName {
  /** As {@link VirtualHost.key}. */
  readonly key: string;
  /**
   * `end`: the inner frontend of the place terminates TLS. `reject`: no route has the name. Otherwise the number of the
   * inner frontend, or a backend of mode `tcp`.
   */
  readonly to: 'end' | 'reject' | { readonly inner: number } | { readonly backend: string };
}

/** A name of a place where requests arrive, with ordered rules. */
export interface VirtualHost {
  /** `PLACE|HOST`: the place, and a host, `*.` and a domain for all names below it, or `*` for every other name. */
  readonly key: string;
  /** The listener that owns the name, for requests over TLS that was opened for another one. */
  readonly listener: string;
  /** Number of the only inner frontend whose requests may reach the name, because it verifies their client certificates. */
  readonly inner?: number;
  /** In order of precedence. Empty: every request gets 404. */
  readonly rules: readonly Rule[];
}

/** Requests with a path that fulfil all conditions, and what answers them. */
export interface Rule {
  readonly path: RulePath;
  readonly conditions: readonly Condition[];
  readonly target: Target;
}

/**
 * `exact` matches the whole path. `prefix` matches whole elements: `/a` and `/a/` both match `/a`, `/a/` and `/a/b`,
 * but not `/ab`. `regex` matches the whole path.
 */
export interface RulePath {
  readonly type: 'exact' | 'prefix' | 'regex';
  readonly value: string;
}

/** A condition on one dimension of a request. */
export type Condition =
  | { readonly on: 'method'; readonly type: 'exact'; readonly value: string }
  | {
      readonly on: 'header' | 'param';
      readonly name: string;
      readonly type: 'exact' | 'regex';
      readonly value: string;
    };

/** What answers the requests of a rule. */
export type Target =
  | { readonly kind: 'backend'; readonly backend: string }
  | { readonly kind: 'answer'; readonly status: AnswerStatus }
  /** Each part gets its share of the requests, in whole percent; at least one if its weight is not 0. */
  | { readonly kind: 'split'; readonly parts: readonly { readonly weight: number; readonly target: Target }[] }
  | { readonly kind: 'redirect'; readonly redirect: RedirectTarget };

/** Statuses that HAProxy answers itself, without a server. */
export type AnswerStatus = 404 | 500 | 503;

/** Returns the section that answers with a status. */
export function answerSection(status: AnswerStatus): string {
  return `answer_${status}`;
}

/** A redirect with the parts of its location that differ from the request. */
export interface RedirectTarget {
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly scheme?: 'http' | 'https';
  readonly host?: string;
  readonly port?: number;
  /** Replaces the whole path, or the literal prefix `from`. */
  readonly path?: { readonly value: string; readonly from?: string };
}
