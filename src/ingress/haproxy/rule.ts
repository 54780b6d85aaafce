/** A name of a place where requests arrive, with ordered rules. */
export interface VirtualHost {
  /** `PLACE|HOST`: the place, and a host, `*.` and a domain for all names below it, or `*` for every other name. */
  readonly key: string;
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
  | { readonly kind: 'redirect'; readonly redirect: RedirectTarget };

/** Statuses that HAProxy answers itself, without a server. */
export type AnswerStatus = 404 | 500 | 503;

/** A redirect with the parts of its location that differ from the request. */
export interface RedirectTarget {
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly scheme?: 'http' | 'https';
  readonly host?: string;
  readonly port?: number;
  /** Replaces the whole path, or the literal prefix `from`. */
  readonly path?: { readonly value: string; readonly from?: string };
}
