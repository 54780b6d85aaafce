import { type KubeApi, KubeError, versionOf } from '../kube/port.ts';
import { keyOf } from '../spec/object-meta.ts';
import { isRecord } from '../spec/shape.ts';
import type { AgentLog } from './log.ts';
import { Pacer } from './pacer.ts';
import { makeIngress, type RouteIngress, type RouterIdentity, type RouteStatus, type StatusSink } from './status.ts';

/** A Route as the API server last showed it, as far as its status goes. */
interface Seen {
  readonly version: string;
  /** Entries of all routers, ours among them. */
  readonly ingress: readonly unknown[];
}

/** What decides whether this process writes. */
export interface Writer {
  readonly isHeld: boolean;
}

/** Milliseconds. */
const pace = { delay: 50, retry: 2000 };

/** So often an entry that we did not change ourselves is put right; after that somebody else means it. */
const maxRepairs = 5;

/**
 * Writes this router's entry into `status.ingress` of Routes, beside those of other routers, and takes
 * it out of Routes that are no longer for this router. One process of all nodes writes (`writer`).
 */
export class RouteStatusWriter implements StatusSink {
  readonly #api: KubeApi;
  readonly #identity: RouterIdentity;
  readonly #writer: Writer;
  readonly #log: AgentLog;
  readonly #seen = new Map<string, Seen>();
  readonly #repairs = new Map<string, { readonly wanted: string; readonly count: number }>();
  readonly #pacer = new Pacer(() => void this.#run(), pace.delay, pace.delay);
  readonly #end = new AbortController();
  #wanted: ReadonlyMap<string, RouteStatus> | undefined;
  #isRunning = false;

  constructor(api: KubeApi, identity: RouterIdentity, writer: Writer, log: AgentLog) {
    this.#api = api;
    this.#identity = identity;
    this.#writer = writer;
    this.#log = log;
  }

  /** Hears of a Route as the API server shows it. */
  observe(key: string, route: unknown): void {
    this.#remember(key, route);
    this.#pacer.request();
  }

  /** Hears that a Route is gone. */
  forget(key: string): void {
    this.#seen.delete(key);
    this.#repairs.delete(key);
  }

  publish(statuses: readonly RouteStatus[]): void {
    const routes = statuses.filter(({ listener }) => listener === undefined);
    this.#wanted = new Map(routes.map((status) => [keyOf(status.meta), status]));
    this.#pacer.request();
  }

  /** Looks at everything again: we may have become the writer. */
  review(): void {
    this.#pacer.request();
  }

  close(): void {
    this.#pacer.cancel();
    this.#end.abort();
  }

  async #run(): Promise<void> {
    const wanted = this.#wanted;
    if (this.#isRunning || wanted === undefined || !this.#writer.isHeld) return;
    this.#isRunning = true;
    try {
      for (const key of this.#seen.keys()) {
        if (this.#end.signal.aborted || !this.#writer.isHeld) return;
        await this.#write(key, this.#wanted?.get(key));
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'Cannot write the status of a Route; trying again');
      this.#pacer.request(pace.retry);
    } finally {
      this.#isRunning = false;
    }
    // Something new came while we wrote.
    if (this.#wanted !== wanted) this.#pacer.request();
  }

  async #write(key: string, status: RouteStatus | undefined): Promise<void> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const change = this.#plan(key, status);
      if (change === undefined || !this.#mayRepair(key, change.mine)) return;
      const [namespace, name] = key.split('/');
      const path = `/apis/route.openshift.io/v1/namespaces/${namespace}/routes/${name}`;
      try {
        const patch = { metadata: { resourceVersion: change.version }, status: { ingress: change.ingress } };
        this.#remember(key, await this.#api.mergePatch(`${path}/status`, patch, this.#end.signal));
        if (status?.admitted === false) await this.#tellEvent(status);
        return;
      } catch (error) {
        if (!(error instanceof KubeError) || (error.status !== 409 && error.status !== 404)) throw error;
        if (error.status === 404) return this.forget(key);
        this.#remember(key, await this.#api.get(path, {}, this.#end.signal));
      }
    }
  }

  /** What must be written; undefined when all is as it should be. */
  #plan(key: string, status: RouteStatus | undefined) {
    const seen = this.#seen.get(key);
    if (seen === undefined) return undefined;
    const isOurs = (entry: unknown) => isRecord(entry) && entry.routerName === this.#identity.routerName;
    const before = seen.ingress.find(isOurs) as RouteIngress | undefined;
    const others = seen.ingress.filter((entry) => !isOurs(entry));
    if (status === undefined) {
      return before === undefined ? undefined : { version: seen.version, ingress: others, mine: '' };
    }
    const readable = before !== undefined && Array.isArray(before.conditions) ? before : undefined;
    const entry = makeIngress(status, this.#identity, readable, new Date());
    if (entry === before) return undefined;
    const { reason, message, status: admitted } = entry.conditions[0] ?? {};
    const mine = JSON.stringify([entry.host, admitted, reason, message]);
    return { version: seen.version, ingress: [...others, entry], mine };
  }

  /** Two routers of one name would otherwise write against each other for ever. */
  #mayRepair(key: string, wanted: string): boolean {
    const known = this.#repairs.get(key);
    const count = known?.wanted === wanted ? known.count + 1 : 1;
    this.#repairs.set(key, { wanted, count });
    if (count === maxRepairs + 1) {
      this.#log.warn({ route: key }, 'Somebody else writes the status of a Route under our name; leaving it');
    }
    return count <= maxRepairs;
  }

  #remember(key: string, route: unknown): void {
    const status = isRecord(route) && isRecord(route.status) ? route.status : {};
    this.#seen.set(key, {
      version: versionOf(route) ?? '',
      ingress: Array.isArray(status.ingress) ? status.ingress : [],
    });
  }

  /** An Event for whoever looks at the Route; that it cannot be written is no reason to try again. */
  async #tellEvent({ meta, reason, message }: RouteStatus): Promise<void> {
    const { namespace, name, uid } = meta;
    const now = new Date().toISOString();
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, generateName: `${name.slice(0, 200)}-` },
      involvedObject: { apiVersion: 'route.openshift.io/v1', kind: 'Route', namespace, name, uid },
      type: 'Warning',
      reason,
      message: message?.slice(0, 1000),
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
