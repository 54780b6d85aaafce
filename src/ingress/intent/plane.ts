import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { ListenerId } from './listener.ts';
import type { SiteRequest } from './site-request.ts';

/** The part of a request that a data plane has not applied. */
export interface Pending {
  /**
   * `all`: nothing of the request is applied. `change`: only an earlier state is. `endpoints`: the request is applied
   * with earlier endpoints.
   */
  readonly what: 'all' | 'change' | 'endpoints';
  /** Message for the author after a failure. Absent: the change waits for its turn, and statuses do not change. */
  readonly problem?: string;
}

/** Status reason of a request that was accepted but could not be applied. */
export const notApplied = 'NotApplied';

/** Result of one object's request in one data plane, derived from the applied state, not the desired one. */
export interface Verdict {
  /** For a listener, `uid` is `GATEWAY-UID/LISTENER`. */
  readonly meta: ObjectMeta;
  /** Kind of the object. Absent: a Route, or a Gateway if there is a listener. */
  readonly kind?: string;
  /** Absent: the decision is applied completely. */
  readonly pending?: Pending;
  /** Name of the Gateway's listener that this concerns, if any. */
  readonly listener?: string;
  /** ID of the listener of a request for a host, unless it is the default one. */
  readonly arrival?: ListenerId;
  /** The request for a host to which this verdict belongs. Sources compare it by identity. */
  readonly request?: SiteRequest;
  /** Host of a Route that has one, even if the router derived it. */
  readonly host?: string;
  readonly wildcardPolicy?: 'None' | 'Subdomain';
  /** `tcp 13306`, if ports were assigned. */
  readonly ports?: readonly string[];
  /** Reason of a rejection. */
  readonly reason?: string;
  /** Message of a rejection. Does not reveal objects of other namespaces. */
  readonly message?: string;
  /** Notes for the author, one sentence each. */
  readonly notes: readonly string[];
  /** Requested functions that are missing, one sentence each. An Event reports them to the author. */
  readonly missing?: readonly string[];
  /** Router annotations that have no effect in this data plane. */
  readonly ignored: readonly string[];
}

/** Report of one data plane. */
export interface PlaneReport {
  readonly verdicts: readonly Verdict[];
}

/** The agent as a data plane sees it. */
export interface PlaneHost {
  /** Requests a {@link DataPlane.sync} after a change that is not an object. */
  requestSync(): void;
  /** Requests a sync of every data plane after a change that is not an object. */
  requestSyncs(): void;
  /** Requests a {@link DataPlane.report}. */
  requestReport(): void;
  /** Reports a problem at a place; undefined clears it. */
  report(place: string, problem: string | undefined): void;
}

/** A data plane: applies what the objects request and reports the result. */
export interface DataPlane {
  /** Name in logs and messages: `ports`. */
  readonly name: string;
  /** Minimum interval between two syncs, in milliseconds. */
  readonly syncInterval: number;
  /** Whether only one agent of a node may run it at a time. It can be started again after {@link stop}. */
  readonly isExclusive?: boolean;
  /** Reads and computes what the first {@link sync} of an exclusive plane needs, before it starts. Changes nothing. */
  prepare?(): Promise<void>;
  start(host: PlaneHost): void;
  /**
   * Applies the current inventory, completely or not at all. Throws on failure and is then called again with backoff.
   * The previous state stays active until the source is complete.
   */
  sync(): void | Promise<void>;
  /** Called after a sync, at a limited rate. */
  report(): PlaneReport;
  /** The reason why the data plane is not ready although the last sync succeeded. Undefined if it is ready. */
  readonly unreadiness: string | undefined;
  /** Stops the data plane. The applied state stays active unless `removes`. */
  stop(removes: boolean): void | Promise<void>;
}
