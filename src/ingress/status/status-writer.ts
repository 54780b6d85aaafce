import type { DaemonLog } from '../../base/daemon/log.ts';
import { type KubeApi, KubeError, versionOf } from '../../base/kubernetes/cluster-api.ts';
import { isRecord } from '../../base/read/shape.ts';
import { type Kind, kinds } from '../objects/kinds.ts';

/** What decides whether this process writes. */
export interface Leadership {
  readonly isHeld: boolean;
}

/** An Event for whoever looks at an object. */
export interface ObjectEvent {
  readonly reason: string;
  readonly message: string;
}

/** What must be written of an object's status. */
export interface StatusChange {
  /** For a merge patch of `status`. */
  readonly status: Readonly<Record<string, unknown>>;
  /** Equal for two changes that want the same. */
  readonly wanted: string;
  readonly event?: ObjectEvent;
}

/** An object as the API server last showed it, as far as its status goes: all of 10,000 would fill the memory. */
export interface SeenObject {
  readonly kind: Kind;
  /** As it is served: `gateway.networking.k8s.io/v1`. */
  readonly apiVersion: string;
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: unknown;
    readonly resourceVersion: unknown;
    readonly generation: unknown;
  };
  readonly status: Readonly<Record<string, unknown>>;
}

/** What must be written of an object as the API server last showed it; undefined when all is as it should be. */
export type StatusPlanner = (key: string, object: SeenObject) => StatusChange | undefined;

/** Milliseconds. */
const times = { firstRetry: 1000, lastRetry: 60_000 };

/** So often a status that somebody else changed is written back; after that the other one means it. */
const maxRepairs = 5;

/** Requests at a time. */
const concurrency = 4;

/**
 * Writes statuses of objects, each when it is not as planned, against the version that was seen. One
 * process of all nodes writes. An object whose status cannot be written holds up no other: it is tried
 * again later and later.
 */
export class StatusWriter {
  readonly #api: KubeApi;
  readonly #plan: StatusPlanner;
  readonly #leadership: Leadership;
  readonly #log: DaemonLog;
  readonly #component: string;
  readonly #seen = new Map<string, SeenObject>();
  readonly #repairs = new Map<string, { readonly wanted: string; readonly count: number }>();
  readonly #failures = new Map<string, { readonly count: number; readonly timer: NodeJS.Timeout }>();
  readonly #pending = new Set<string>();
  readonly #end = new AbortController();
  #running = 0;
  #isReady = false;

  /** @param component what Events name as their source */
  constructor(api: KubeApi, plan: StatusPlanner, leadership: Leadership, log: DaemonLog, component: string) {
    this.#api = api;
    this.#plan = plan;
    this.#leadership = leadership;
    this.#log = log;
    this.#component = component;
  }

  /** Hears of an object as the API server shows it. `key` is `NAMESPACE/NAME`. */
  observe(kind: Kind, key: string, object: unknown, version: string): void {
    const place = `${kind} ${key}`;
    this.#seen.set(place, pickStatus(kind, object, version));
    this.#add(place);
  }

  /** Hears that an object is gone. */
  forget(kind: Kind, key: string): void {
    this.#drop(`${kind} ${key}`);
  }

  /** Looks at every object again: plans have changed, or this process may have become the writer. */
  review(): void {
    this.#isReady = true;
    for (const place of this.#seen.keys()) this.#add(place);
  }

  /** Looks at some objects of a kind again. */
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
    // One that failed waits for its time: news must not make a server that refuses be asked without end.
    if (!this.#isReady || this.#failures.has(place)) return;
    this.#pending.add(place);
    if (this.#running < concurrency) setImmediate(() => void this.#work());
  }

  async #work(): Promise<void> {
    if (this.#running >= concurrency) return;
    this.#running++;
    for (const place of this.#pending) {
      if (this.#end.signal.aborted || !this.#leadership.isHeld) break;
      this.#pending.delete(place);
      try {
        await this.#write(place);
      } catch (error) {
        this.#fail(place, error);
      }
    }
    this.#running--;
  }

  #fail(place: string, error: unknown): void {
    if (this.#end.signal.aborted) return;
    const count = (this.#failures.get(place)?.count ?? 0) + 1;
    const retry = Math.min(times.lastRetry, times.firstRetry * 2 ** (count - 1));
    this.#log.warn({ err: error, object: place, retryMilliseconds: retry }, 'Failed to write a status; retrying');
    const timer = setTimeout(() => {
      this.#pending.add(place);
      void this.#work();
    }, retry);
    this.#failures.set(place, { count, timer });
  }

  async #write(place: string): Promise<void> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const object = this.#seen.get(place);
      const change = object && this.#plan(keyOf(object), object);
      if (object === undefined || change === undefined || !this.#mayWrite(place, change.wanted)) return;
      const path = pathOf(object);
      try {
        const patch = { metadata: { resourceVersion: versionOf(object) ?? '' }, status: change.status };
        const written = await this.#api.mergePatch(`${path}/status`, patch, this.#end.signal);
        this.#remember(place, object, written);
        this.#noteWritten(place, change.wanted);
        if (change.event !== undefined) await this.#tellEvent(object, change.event);
        return;
      } catch (error) {
        if (!(error instanceof KubeError) || (error.status !== 409 && error.status !== 404)) throw error;
        if (error.status === 404) return this.#drop(place);
        this.#remember(place, object, await this.#api.get(path, {}, this.#end.signal));
      }
    }
    throw new KubeError('the object changes faster than its status can be written', 409);
  }

  #remember(place: string, { kind, apiVersion }: SeenObject, object: unknown): void {
    const version = apiVersion.slice(apiVersion.lastIndexOf('/') + 1);
    // It may have gone meanwhile.
    if (this.#seen.has(place)) this.#seen.set(place, pickStatus(kind, object, version));
  }

  /** Two writers that want different things would otherwise write against each other for ever. */
  #mayWrite(place: string, wanted: string): boolean {
    const known = this.#repairs.get(place);
    return known?.wanted !== wanted || known.count < maxRepairs;
  }

  /** Counts what was written, not what was tried: a server that refuses is nobody who writes otherwise. */
  #noteWritten(place: string, wanted: string): void {
    clearTimeout(this.#failures.get(place)?.timer);
    this.#failures.delete(place);
    const known = this.#repairs.get(place);
    const count = known?.wanted === wanted ? known.count + 1 : 1;
    this.#repairs.set(place, { wanted, count });
    if (count === maxRepairs) {
      this.#log.warn({ object: place }, 'Another writer keeps changing this status under our name; leaving it alone');
    }
  }

  /** An Event for whoever looks at the object; that it cannot be written is no reason to try again. */
  async #tellEvent({ apiVersion, kind, metadata }: SeenObject, { reason, message }: ObjectEvent): Promise<void> {
    const { namespace, name, uid } = metadata;
    const now = new Date().toISOString();
    const home = namespace === '' ? 'default' : namespace;
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace: home, generateName: `${name.slice(0, 200)}-` },
      involvedObject: { apiVersion, kind, namespace, name, uid },
      type: 'Warning',
      reason,
      message: message.slice(0, 1000),
      source: { component: this.#component },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    await this.#api.create(`/api/v1/namespaces/${home}/events`, event, this.#end.signal).catch((error: unknown) => {
      this.#log.debug({ err: error }, 'Cannot write an Event');
    });
  }
}

function keyOf({ metadata: { namespace, name } }: SeenObject): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

function pathOf({ kind, apiVersion, metadata: { namespace, name } }: SeenObject): string {
  const scope = namespace === '' ? '' : `/namespaces/${namespace}`;
  return `/apis/${apiVersion}${scope}/${kinds[kind].plural}/${name}`;
}

function pickStatus(kind: Kind, object: unknown, version: string): SeenObject {
  const { metadata, status } = isRecord(object) ? object : {};
  const { namespace, name, uid, resourceVersion, generation } = isRecord(metadata) ? metadata : {};
  return {
    kind,
    apiVersion: `${kinds[kind].group}/${version}`,
    metadata: {
      namespace: typeof namespace === 'string' ? namespace : '',
      name: typeof name === 'string' ? name : '',
      uid,
      resourceVersion,
      generation,
    },
    status: isRecord(status) ? status : {},
  };
}
