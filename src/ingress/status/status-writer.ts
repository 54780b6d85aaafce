import { isRecord } from '../../api/shape.ts';
import { type KubeApi, KubeError, versionOf } from '../../cluster/port.ts';
import { Pacer } from '../../daemon/bounded-frequency-runner.ts';
import type { AgentLog } from '../../daemon/log.ts';

/** What decides whether this process writes. */
export interface Writer {
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

/** One kind of object whose status is written. */
export interface StatusKind {
  readonly apiVersion: string;
  readonly kind: string;
  /** Name in paths of the API: `routes`. */
  readonly plural: string;
  /** What must be written of an object as the API server last showed it; undefined when all is as it should be. */
  plan(key: string, object: SeenObject): StatusChange | undefined;
}

/** An object as the API server last showed it, as far as its status goes: all of 10,000 would fill the memory. */
export interface SeenObject {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: unknown;
    readonly resourceVersion: unknown;
    readonly generation: unknown;
  };
  readonly status: Readonly<Record<string, unknown>>;
}

function pickStatus(object: unknown): SeenObject {
  const { metadata, status } = isRecord(object) ? object : {};
  const { namespace, name, uid, resourceVersion, generation } = isRecord(metadata) ? metadata : {};
  return {
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

/** Milliseconds. */
const pace = { delay: 50, retry: 2000 };

/** So often a status that we did not change ourselves is put right; after that somebody else means it. */
const maxRepairs = 5;

/**
 * Writes statuses of objects of one kind, each when it is not as planned, against the version that was
 * seen. One process of all nodes writes (`writer`).
 */
export class StatusWriter {
  readonly #api: KubeApi;
  readonly #kind: StatusKind;
  readonly #writer: Writer;
  readonly #log: AgentLog;
  readonly #seen = new Map<string, SeenObject>();
  readonly #repairs = new Map<string, { readonly wanted: string; readonly count: number }>();
  readonly #pacer = new Pacer(() => void this.#run(), pace.delay, pace.delay);
  readonly #end = new AbortController();
  #isRunning = false;
  #isAskedAgain = false;
  #isReady = false;

  constructor(api: KubeApi, kind: StatusKind, writer: Writer, log: AgentLog) {
    this.#api = api;
    this.#kind = kind;
    this.#writer = writer;
    this.#log = log;
  }

  /** Hears of an object as the API server shows it. */
  observe(key: string, object: unknown): void {
    this.#seen.set(key, pickStatus(object));
    this.#request();
  }

  /** Hears that an object is gone. */
  forget(key: string): void {
    this.#seen.delete(key);
    this.#repairs.delete(key);
  }

  /** Looks at every object again: plans have changed, or we may have become the writer. */
  review(): void {
    this.#isReady = true;
    this.#request();
  }

  close(): void {
    this.#pacer.cancel();
    this.#end.abort();
  }

  #request(): void {
    if (!this.#isReady) return;
    if (this.#isRunning) this.#isAskedAgain = true;
    else this.#pacer.request();
  }

  async #run(): Promise<void> {
    if (this.#isRunning || !this.#writer.isHeld) return;
    this.#isRunning = true;
    try {
      for (const key of this.#seen.keys()) {
        if (this.#end.signal.aborted || !this.#writer.isHeld) return;
        await this.#write(key);
      }
    } catch (error) {
      this.#log.warn({ err: error, kind: this.#kind.kind }, 'Cannot write a status; trying again');
      this.#pacer.request(pace.retry);
    } finally {
      this.#isRunning = false;
    }
    if (this.#isAskedAgain) this.#pacer.request();
    this.#isAskedAgain = false;
  }

  async #write(key: string): Promise<void> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const object = this.#seen.get(key);
      const change = object && this.#kind.plan(key, object);
      if (object === undefined || change === undefined || !this.#mayRepair(key, change.wanted)) return;
      const path = this.#pathOf(key);
      try {
        const patch = { metadata: { resourceVersion: versionOf(object) ?? '' }, status: change.status };
        this.#seen.set(key, pickStatus(await this.#api.mergePatch(`${path}/status`, patch, this.#end.signal)));
        if (change.event !== undefined) await this.#tellEvent(object, change.event);
        return;
      } catch (error) {
        if (!(error instanceof KubeError) || (error.status !== 409 && error.status !== 404)) throw error;
        if (error.status === 404) return this.forget(key);
        this.#seen.set(key, pickStatus(await this.#api.get(path, {}, this.#end.signal)));
      }
    }
  }

  #pathOf(key: string): string {
    const [namespace, name] = key.split('/');
    return `/apis/${this.#kind.apiVersion}/namespaces/${namespace}/${this.#kind.plural}/${name}`;
  }

  /** Two writers that want different things would otherwise write against each other for ever. */
  #mayRepair(key: string, wanted: string): boolean {
    const known = this.#repairs.get(key);
    const count = known?.wanted === wanted ? known.count + 1 : 1;
    this.#repairs.set(key, { wanted, count });
    if (count === maxRepairs + 1) {
      const { kind } = this.#kind;
      this.#log.warn({ kind, object: key }, 'Somebody else writes a status under our name; leaving it');
    }
    return count <= maxRepairs;
  }

  /** An Event for whoever looks at the object; that it cannot be written is no reason to try again. */
  async #tellEvent({ metadata }: SeenObject, { reason, message }: ObjectEvent): Promise<void> {
    const { namespace, name, uid } = metadata;
    const { apiVersion, kind } = this.#kind;
    const now = new Date().toISOString();
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, generateName: `${name.slice(0, 200)}-` },
      involvedObject: { apiVersion, kind, namespace, name, uid },
      type: 'Warning',
      reason,
      message: message.slice(0, 1000),
      source: { component: 'ingress-agent' },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    await this.#api
      .create(`/api/v1/namespaces/${namespace}/events`, event, this.#end.signal)
      .catch((error: unknown) => {
        this.#log.debug({ err: error }, 'Cannot write an Event');
      });
  }
}
