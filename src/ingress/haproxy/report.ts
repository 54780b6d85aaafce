import type { ProcessHost } from './host.ts';
import type { BudgetLimits } from './reload-budget.ts';
import type { Refusal } from './sift.ts';
import type { ReloadCause } from './steps.ts';

/** How one HAProxy is kept. Times are milliseconds. */
export interface EngineOptions {
  /** A folder of its own; what HAProxy reads, its sockets, and what is remembered of it. */
  readonly directory: string;
  /** Path or name of the program. */
  readonly binary: string;
  /** User of the worker, in a chroot; absent: this process's user, without a chroot. */
  readonly user?: string;
  readonly group?: string;
  /** From the start of one reload to the next, at least. */
  readonly reloadInterval: number;
  /** An old worker ends after this, unless the settings say otherwise. */
  readonly hardStopAfter?: number;
  /** Connections to a removed server are ended after this. */
  readonly drainTimeout: number;
  /** Where HAProxy's processes are; absent: started here. */
  readonly host?: ProcessHost;
  /** Whose change waits for a reload, by its cause and name; undefined: the administrator's. Absent: all are. */
  readonly ownerOf?: (cause: ReloadCause, name: string) => string | undefined;
  /** Reloads that each owner may cause; absent: five at once, and one a minute. */
  readonly budget?: BudgetLimits;
  /** HAProxy is started again when no request was answered for this long; absent: 30 s. */
  readonly hangTimeout?: number;
  /** Told of what an operator should know, and that is tried again; undefined: it is over. */
  readonly onProblem?: (message: string | undefined) => void;
  /** Told when allow-lists were loaded and what waited for them is in force. */
  readonly onProgress?: (outcome: ApplyOutcome) => void;
  /** Told when a reload has brought what waited into force. */
  readonly onReload?: (outcome: ApplyOutcome) => void;
}

/** A change that is not in force yet. */
export interface Pending {
  /** Whether HAProxy serves a previous state of it. */
  readonly isServed: boolean;
  /** It waits for its allow-list to be loaded, for a reload, or for a reload that its owner's budget allows. */
  readonly cause: 'list' | 'reload' | 'budget';
}

/** What became of a state. */
export interface ApplyOutcome {
  /** Parts that are not served. */
  readonly refused: readonly Refusal[];
  /** What waits for a reload, by cause. */
  readonly waiting: ReadonlyMap<ReloadCause, readonly string[]>;
  /** Changes that are not in force yet, by the name of a backend, certificate or authority. */
  readonly pending: ReadonlyMap<string, Pending>;
  /** A reload will come; `onReload` tells when it is done. */
  readonly pendingReload: boolean;
}

/** What there is to say about the engine. */
export interface EngineReport {
  /** Of the master; absent while there is none. */
  readonly pid?: number;
  readonly version?: string;
  readonly workers: number;
  readonly oldWorkers: number;
  /** Reloads that were done, by cause. */
  readonly reloads: Readonly<Record<ReloadCause, number>>;
  readonly restarts: number;
  readonly refused: readonly Refusal[];
  readonly waiting: ReadonlyMap<ReloadCause, readonly string[]>;
  readonly pendingReload: boolean;
  /** What is wrong now; absent when nothing is. */
  readonly problem?: string;
}
