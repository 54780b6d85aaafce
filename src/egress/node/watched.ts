import type { AttachmentState } from '../model/state.ts';
import type { Closure } from './closure.ts';
import type { RouterLabels } from './metrics.ts';
import type { Readiness } from './readiness.ts';
import type { SourcePortWarnings } from './source-ports.ts';
import type { Suspension } from './suspension.ts';
import type { TrafficCounter } from './traffic.ts';

/** Milliseconds between wake-ups of the idle daemon, in which everything happens that is due. A power of two. */
export const beat = 128;

/** Intervals of the tasks for each router, in milliseconds. */
export interface WatchTimes {
  /** Probing gateways and other owners of the address. */
  readonly ask: number;
  /** Counting connections. */
  readonly count: number;
  readonly announce: number;
  readonly check: number;
}

/** State of a watched router. Times are monotonic milliseconds. */
export interface Watched {
  state: AttachmentState;
  readonly labels: RouterLabels;
  readonly traffic: TrafficCounter;
  readonly sourcePortWarnings: SourcePortWarnings;
  readonly due: Record<keyof WatchTimes, number>;
  /** When to check again that the namespace exists. */
  aliveUntil: number;
  /** Consecutive probes in which another machine claimed the address. */
  conflicts: number;
  /** Whether no gateway answered the last probe. */
  isCutOff: boolean;
  /** Whether the gateways were silent at the previous check of the wires. */
  wasQuiet: boolean;
  readonly closure: Closure;
  readonly suspension: Suspension;
  readonly readiness: Readiness;
  /** End of the period in which a gateway that does not answer is probed at a shorter interval. */
  readonly eagerUntil: number;
  isBusy: boolean;
  /** Whether the router is gone. Tasks that are still running then must not create series for it. */
  isForgotten: boolean;
}

/** Returns the name of a router for the log and for lists of problems. */
export function placeOf({ namespace, pod, interface: link }: RouterLabels): string {
  return `${namespace}/${pod} ${link}`;
}
