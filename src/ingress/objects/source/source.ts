import type { ClusterObject, Kind } from '../kinds.ts';

/** Where a source tells what it finds. */
export interface SourceSink {
  /** An object is new or has changed. */
  put(object: ClusterObject): void;
  /** An object is gone; `key` is `NAMESPACE/NAME`. */
  remove(kind: Kind, key: string): void;
  /** Everything that exists has been told at least once: only now may rules be computed. */
  synced(): void;
  /** Something is wrong at a place (a file, an object, a connection), or, with undefined, no longer is. */
  report(place: string, problem: string | undefined): void;
}

/** Where the agent's objects come from. */
export interface ObjectSource {
  /** Begins to tell, and goes on telling until closed. */
  start(sink: SourceSink): void;
  /** What has not been told yet, in words; undefined when everything was told once. */
  readonly waitingFor?: string | undefined;
  close(): void;
}
