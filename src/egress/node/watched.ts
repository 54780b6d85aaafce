import type { AttachmentState } from '../model/state.ts';
import type { Closure } from './closure.ts';
import type { RouterLabels } from './metrics.ts';
import type { Readiness } from './readiness.ts';
import type { SourcePortWarnings } from './source-ports.ts';
import type { Suspension } from './suspension.ts';
import type { TrafficCounter } from './traffic.ts';

/** How often routers are looked at, in milliseconds. */
export interface WatchTimes {
  /** Gateways and other owners of the address are asked for. */
  readonly ask: number;
  /** Connections are counted. */
  readonly count: number;
  readonly announce: number;
  readonly check: number;
}

/** State of a watched router. Times are in milliseconds of a monotonic clock. */
export interface Watched {
  state: AttachmentState;
  readonly labels: RouterLabels;
  readonly traffic: TrafficCounter;
  readonly sourcePortWarnings: SourcePortWarnings;
  readonly due: Record<keyof WatchTimes, number>;
  /** When its namespace is looked for again. */
  aliveUntil: number;
  /** Rounds in a row in which another machine claimed its address. */
  conflicts: number;
  /** No gateway answered when it was last asked. */
  isCutOff: boolean;
  /** The gateways did not answer a moment ago. */
  wasQuiet: boolean;
  readonly closure: Closure;
  readonly suspension: Suspension;
  readonly readiness: Readiness;
  /** Until then, a gateway that does not answer is asked again soon. */
  readonly eagerUntil: number;
  isBusy: boolean;
}

/** Names a router in the log and in lists of problems. */
export function placeOf({ namespace, pod, interface: link }: RouterLabels): string {
  return `${namespace}/${pod} ${link}`;
}
