import type { ProcessHost } from './host.ts';
import type { BudgetLimits } from './reload-budget.ts';
import type { Refusal } from './sift.ts';
import type { ReloadCause } from './steps.ts';

/** Options of one HAProxy. Times are in milliseconds. */
export interface EngineOptions {
  /** A private folder for HAProxy's files, its sockets, and its recorded state. */
  readonly directory: string;
  /** Path or name of the executable. */
  readonly binary: string;
  /** User of the worker, which runs in a chroot. Absent: this process's user, without a chroot. */
  readonly user?: string;
  readonly group?: string;
  /** Minimum time between the starts of two reloads. */
  readonly reloadInterval: number;
  /** An old worker ends after this time unless the settings override it. */
  readonly hardStopAfter?: number;
  /** Connections to a removed server end after this time. */
  readonly drainTimeout: number;
  /** Host of HAProxy's processes. Absent: this process. */
  readonly host?: ProcessHost;
  /**
   * Returns the owner of a change that waits for a reload, by cause and name. Undefined: the administrator. Absent:
   * the administrator owns all changes.
   */
  readonly ownerOf?: (cause: ReloadCause, name: string) => string | undefined;
  /** Reload budget of each owner. Absent: five in a row, and one per minute. */
  readonly budget?: BudgetLimits;
  /** HAProxy is restarted if no probe was answered for this long. Absent: 30 s. */
  readonly hangTimeout?: number;
  /** Called with a problem that an operator should know and that is retried, and with undefined when it is solved. */
  readonly onProblem?: (message: string | undefined) => void;
  /** Called after allow-lists were loaded and the waiting changes were applied. */
  readonly onProgress?: (outcome: ApplyOutcome) => void;
  /** Called when a reload has applied the waiting changes. */
  readonly onReload?: (outcome: ApplyOutcome) => void;
}

/** A change that is not in force yet. */
export interface Pending {
  /** Whether HAProxy serves a previous state of it. */
  readonly isServed: boolean;
  /** It waits for its allow-list to be loaded, for a reload, or for a reload that its owner's budget allows. */
  readonly cause: 'list' | 'reload' | 'budget';
}

/** Result of applying a state. */
export interface ApplyOutcome {
  /** Parts that are not served. */
  readonly refused: readonly Refusal[];
  /** Changes that wait for a reload, by cause. */
  readonly waiting: ReadonlyMap<ReloadCause, readonly string[]>;
  /** Changes that are not in force yet, by the name of a backend, certificate or authority. */
  readonly pending: ReadonlyMap<string, Pending>;
  /** A reload is pending; `onReload` is called when it has finished. */
  readonly pendingReload: boolean;
}

/** Report about the engine. */
export interface EngineReport {
  /** Process ID of the master. Absent if there is none. */
  readonly pid?: number;
  readonly version?: string;
  readonly workers: number;
  readonly oldWorkers: number;
  /** Number of reloads by cause. */
  readonly reloads: Readonly<Record<ReloadCause, number>>;
  readonly restarts: number;
  readonly refused: readonly Refusal[];
  readonly waiting: ReadonlyMap<ReloadCause, readonly string[]>;
  readonly pendingReload: boolean;
  /** The current problem, if any. */
  readonly problem?: string;
}
