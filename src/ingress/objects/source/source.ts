import type { ClusterObject, Kind } from '../kinds.ts';

/** Receives the findings of a source. */
export interface SourceSink {
  /** An object is new or has changed. */
  put(object: ClusterObject): void;
  /** An object was deleted; `key` is `NAMESPACE/NAME`. */
  remove(kind: Kind, key: string): void;
  /** Every existing object has been reported at least once. Rules may be computed only after this. */
  synced(): void;
  /** Something is wrong at a place (a file, an object, a connection), or with undefined no longer is. */
  report(place: string, problem: string | undefined): void;
}

/** Source of the agent's objects. */
export interface ObjectSource {
  /** Reports objects until closed. */
  start(sink: SourceSink): void;
  /** What has not been reported yet, for messages. Undefined when everything was reported once. */
  readonly waitingFor?: string | undefined;
  close(): void;
}
