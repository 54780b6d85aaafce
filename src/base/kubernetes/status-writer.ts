import type { DaemonLog } from '../daemon/log.ts';
import { isRecord } from '../read/shape.ts';
import { backoff } from './backoff.ts';
import type { KubeApi } from './cluster-api.ts';
import type { EventObject, EventRecorder } from './events.ts';
import { type Leadership, LeadershipLost } from './leadership.ts';
import { patchStatus } from './status-patch.ts';

/** A Warning Event for an object. */
export interface ObjectEvent {
  readonly reason: string;
  readonly message: string;
}

/** A change of an object's status. */
export interface StatusChange {
  /** A merge patch for `status`. */
  readonly status: Readonly<Record<string, unknown>>;
  /** Equal for two changes with the same desired state. */
  readonly wanted: string;
  readonly event?: ObjectEvent;
}

/** The parts of an observed object that its status needs. Whole objects of 10,000 Routes would need too much memory. */
export interface SeenObject<Kind extends string = string> {
  readonly kind: Kind;
  /** API version of the object: `gateway.networking.k8s.io/v1`. */
  readonly apiVersion: string;
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: unknown;
    readonly resourceVersion: unknown;
  };
  readonly status: Readonly<Record<string, unknown>>;
}

/** Returns the status change that an observed object needs, or undefined if it needs none. */
export type StatusPlanner<Kind extends string> = (key: string, object: SeenObject<Kind>) => StatusChange | undefined;

/** Dependencies of a {@link StatusWriter}. */
export interface StatusWriterParts<Kind extends string> {
  readonly api: KubeApi;
  /** API group and plural name of every kind. */
  readonly kinds: { readonly [K in Kind]: { readonly group: string; readonly plural: string } };
  readonly plan: StatusPlanner<Kind>;
  readonly leadership: Leadership;
  readonly events: EventRecorder;
  readonly log: DaemonLog;
}

/** Backoff in milliseconds. */
const retries = { first: 1000, last: 60_000 };

/** How many times a status that another writer changed is restored before this writer yields. */
const maxRepairs = 5;

/** Concurrent requests. */
const concurrency = 4;

/**
 * Writes statuses that differ from their plan, against the observed version. One process in the cluster writes. An
 * object whose status cannot be written does not delay others; it is retried with backoff.
 */
export class StatusWriter<Kind extends string> {
  readonly #parts: StatusWriterParts<Kind>;
  readonly #seen = new Map<string, SeenObject<Kind>>();
  readonly #repairs = new Map<string, { readonly wanted: string; readonly count: number }>();
  readonly #failures = new Map<string, { readonly count: number; readonly timer?: NodeJS.Timeout }>();
  readonly #pending = new Set<string>();
  readonly #end = new AbortController();
  #running = 0;
  #isReady = false;

  constructor(parts: StatusWriterParts<Kind>) {
    this.#parts = parts;
  }

  /** Records an object as observed. `key` is `NAMESPACE/NAME`. */
  observe(kind: Kind, key: string, object: unknown, version: string): void {
    const place = `${kind} ${key}`;
    const { group } = this.#parts.kinds[kind];
    const apiVersion = group === '' ? version : `${group}/${version}`;
    this.#seen.set(place, pickStatus(kind, object, apiVersion));
    this.#add(place);
  }

  /** Records the deletion of an object. */
  forget(kind: Kind, key: string): void {
    this.#drop(`${kind} ${key}`);
  }

  /** Plans every object again, after plans have changed or this process has become the writer. */
  review(): void {
    this.#isReady = true;
    for (const place of this.#seen.keys()) this.#add(place);
  }

  /** Plans some objects of a kind again. */
  reviewSome(kind: Kind, keys: Iterable<string>): void {
    this.#isReady = true;
    for (const key of keys) if (this.#seen.has(`${kind} ${key}`)) this.#add(`${kind} ${key}`);
  }

  close(): void {
    this.#end.abort();
    this.#pending.clear();
    for (const { timer } of this.#failures.values()) clearTimeout(timer);
  }

  #drop(place: string): void {
    clearTimeout(this.#failures.get(place)?.timer);
    for (const map of [this.#seen, this.#repairs, this.#failures]) map.delete(place);
    this.#pending.delete(place);
  }

  #add(place: string): void {
    // A failed object waits for its backoff: new events must not send requests without pause to a server that rejects
    // them.
    if (!this.#isReady || this.#failures.get(place)?.timer !== undefined) return;
    this.#pending.add(place);
    if (this.#running < concurrency) setImmediate(() => void this.#work());
  }

  async #work(): Promise<void> {
    if (this.#running >= concurrency) return;
    this.#running++;
    for (const place of this.#pending) {
      if (this.#end.signal.aborted || !this.#parts.leadership.isHeld) break;
      this.#pending.delete(place);
      try {
        await this.#write(place);
      } catch (error) {
        // A process that becomes the leader again plans everything.
        if (!(error instanceof LeadershipLost)) this.#fail(place, error);
      }
    }
    this.#running--;
  }

  #fail(place: string, error: unknown): void {
    if (this.#end.signal.aborted) return;
    const count = (this.#failures.get(place)?.count ?? 0) + 1;
    const retry = backoff(count, retries, error);
    this.#parts.log.warn({ err: error, object: place, retryMilliseconds: retry }, 'Failed to write a status; retrying');
    const timer = setTimeout(() => {
      this.#failures.set(place, { count });
      this.#add(place);
    }, retry);
    this.#failures.set(place, { count, timer });
  }

  async #write(place: string): Promise<void> {
    const { api, plan, leadership } = this.#parts;
    const first = this.#seen.get(place);
    if (first === undefined) return;
    let current = first;
    // The watch may have delivered a newer version in the meantime.
    const learn = (object: SeenObject<Kind>): SeenObject<Kind> => {
      if (this.#seen.get(place) === current) this.#seen.set(place, object);
      current = object;
      return object;
    };
    const { kind, apiVersion } = first;
    let change: StatusChange | undefined;
    const outcome = await patchStatus(api, first, {
      path: this.#pathOf(first),
      plan: (object) => {
        const seen = object === current ? current : learn(pickStatus(kind, object, apiVersion));
        change = plan(keyOf(seen), seen);
        return change !== undefined && this.#mayWrite(place, change.wanted) ? change.status : undefined;
      },
      leadership,
      signal: this.#end.signal,
    });
    if (outcome === 'unchanged') this.#forgive(place);
    else if (outcome === 'gone') {
      if (this.#seen.get(place) === current) this.#drop(place);
      else this.#forgive(place);
    } else if (change !== undefined) {
      learn(pickStatus(kind, outcome.written, apiVersion));
      this.#noteWritten(place, change.wanted);
      this.#tellEvent(current, change.event);
    }
  }

  /** Prevents two writers with different desired states from overwriting each other forever. */
  #mayWrite(place: string, wanted: string): boolean {
    const known = this.#repairs.get(place);
    return known?.wanted !== wanted || known.count < maxRepairs;
  }

  /** Resets the limit of a status, because there is new information. */
  #forgive(place: string): void {
    clearTimeout(this.#failures.get(place)?.timer);
    this.#failures.delete(place);
  }

  /** Counts successful writes only: a server that rejects requests is not another writer. */
  #noteWritten(place: string, wanted: string): void {
    this.#forgive(place);
    const known = this.#repairs.get(place);
    const count = known?.wanted === wanted ? known.count + 1 : 1;
    this.#repairs.set(place, { wanted, count });
    if (count === maxRepairs) {
      this.#parts.log.warn(
        { object: place },
        'Another writer keeps changing this status under the name of this controller; giving up until the object changes',
      );
    }
  }

  /** Statuses do not wait for Events, which may be slow or unavailable. */
  #tellEvent({ apiVersion, kind, metadata }: SeenObject, event: ObjectEvent | undefined): void {
    if (event === undefined) return;
    const { namespace, name, uid } = metadata;
    const object: EventObject = { apiVersion, kind, namespace, name, uid: typeof uid === 'string' ? uid : '' };
    void this.#parts.events.tell(object, { type: 'Warning', ...event }, this.#end.signal);
  }

  #pathOf({ kind, apiVersion, metadata: { namespace, name } }: SeenObject<Kind>): string {
    const scope = namespace === '' ? '' : `/namespaces/${namespace}`;
    const root = apiVersion.includes('/') ? 'apis' : 'api';
    return `/${root}/${apiVersion}${scope}/${this.#parts.kinds[kind].plural}/${name}`;
  }
}

function keyOf({ metadata: { namespace, name } }: SeenObject): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

function pickStatus<Kind extends string>(kind: Kind, object: unknown, apiVersion: string): SeenObject<Kind> {
  const { metadata, status } = isRecord(object) ? object : {};
  const { namespace, name, uid, resourceVersion } = isRecord(metadata) ? metadata : {};
  return {
    kind,
    apiVersion,
    metadata: {
      namespace: typeof namespace === 'string' ? namespace : '',
      name: typeof name === 'string' ? name : '',
      uid,
      resourceVersion,
    },
    status: isRecord(status) ? status : {},
  };
}
