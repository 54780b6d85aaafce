import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { GatewaySnapshot } from '../gateway/gateways.ts';

/** What of a request a data plane has not applied. */
export interface Pending {
  /**
   * `all`: nothing of the request is in force. `change`: an earlier state of it is. `endpoints`: it is, with earlier
   * endpoints.
   */
  readonly what: 'all' | 'change' | 'endpoints';
  /** For the author, after a failure. Absent: the change waits for its turn, and statuses stay as they are. */
  readonly problem?: string;
}

/** The reason of a request that was accepted and could not be applied, as statuses of Routes show it. */
export const notApplied = 'NotApplied';

/** What became of one object's request, as one data plane sees it: from what it applied, not from what it wants. */
export interface Verdict {
  /** Of a listener, `uid` is `GATEWAY-UID/LISTENER`. */
  readonly meta: ObjectMeta;
  /** Absent: all of the decision is in force. */
  readonly pending?: Pending;
  /** Name of the listener, when this is about one of a Gateway. */
  readonly listener?: string;
  /** Of a Route that has one, also where the router made it. */
  readonly host?: string;
  readonly wildcardPolicy?: 'None' | 'Subdomain';
  /** `tcp 13306`, where ports were got. */
  readonly ports?: readonly string[];
  /** Of a refusal. */
  readonly reason?: string;
  /** Of a refusal: names nothing of other namespaces. */
  readonly message?: string;
  /** What the author should know all the same, one sentence each. */
  readonly notes: readonly string[];
  /** Annotations for routers that mean nothing to this data plane. */
  readonly ignored: readonly string[];
}

/** What one data plane has to say to authors. */
export interface PlaneReport {
  readonly verdicts: readonly Verdict[];
  /** Of the plane that serves Gateways: the objects that the verdicts are about. */
  readonly gateways?: GatewaySnapshot;
}

/** What a data plane may do to the agent. */
export interface PlaneHost {
  /** Asks for a {@link DataPlane.sync}: something changed that is not an object. */
  requestSync(): void;
  /** Asks for a {@link DataPlane.report}. */
  requestReport(): void;
  /** Something is wrong at a place, or, with undefined, no longer is. */
  report(place: string, problem: string | undefined): void;
}

/** One way in: brings what the objects ask for into force, and says what became of it. */
export interface DataPlane {
  /** For logs and messages: `ports`. */
  readonly name: string;
  /** Milliseconds between two syncs, at least. */
  readonly syncInterval: number;
  start(host: PlaneHost): void;
  /**
   * Puts in force what the inventory asks for now, all of the change or none. Throws where that fails;
   * it is called again then, later and later. What was in force stays until the source has told everything
   * once.
   */
  sync(): void | Promise<void>;
  /** Called after a sync, and not too often. */
  report(): PlaneReport;
  /** Why it cannot be relied on though the last sync went well; undefined where it can. */
  readonly unreadiness: string | undefined;
  /** Ends; what is in force stays unless `removes`. */
  stop(removes: boolean): void | Promise<void>;
}
