import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { GatewayReports } from '../gateway/gateway-status.ts';

/** What became of one object's wish, as one data plane sees it. */
export interface Verdict {
  readonly meta: ObjectMeta;
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
  readonly gateways?: GatewayReports;
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
