import { isRecord } from '../api/shape.ts';
import { EventRecorder } from '../cluster/events.ts';
import { clusterNames } from '../cluster/names.ts';
import type { KubeApi } from '../cluster/port.ts';
import { ProblemLog } from '../cluster/problem-log.ts';
import { ordinaryTimes, type ReflectorTimes, reflect } from '../cluster/reflector.ts';
import { WorkQueue } from '../cluster/work-queue.ts';
import type { DaemonLog } from '../daemon/log.ts';
import { describeRouter, type RouterSituation } from './conditions.ts';
import { controllerOf } from './coverage.ts';
import { Leftovers } from './leftovers.ts';
import { ControllerMetrics } from './metrics.ts';
import { assignNames, type RouterNames } from './names.ts';
import type { ObjectSettings } from './objects.ts';
import { latestMessage, listPodEvents } from './pod-events.ts';
import { type RouterPod, readRouterPod } from './pods.ts';
import { applyRouter, type Outcome, waitForNames } from './reconcile.ts';
import { type ResourceName, resources } from './resources.ts';
import { type Router, readRouter } from './router.ts';
import { writeRouterStatus } from './status.ts';
import { ObjectStore } from './store.ts';

/** Who may write at the moment: one of several processes. */
export interface Leadership {
  readonly isHeld: boolean;
}

/** What a controller works with. */
export interface ControllerParts {
  readonly api: KubeApi;
  readonly settings: ObjectSettings;
  readonly leadership: Leadership;
  readonly log: DaemonLog;
  readonly times?: ReflectorTimes;
  /** Where it counts what it does; absent: nowhere. */
  readonly metrics?: ControllerMetrics;
}

/** Milliseconds after which a router is looked at again, whatever happens. */
const again = { waiting: 2_000, starting: 10_000, trouble: 30_000 };

const waiting: Outcome = { kind: 'waiting', wait: waitForNames };

/** Thrown when another process may write now: whatever is left to do is that one's. */
class LeadershipLost extends Error {}

/**
 * Makes a NetworkAttachmentDefinition and a Deployment of every EgressRouter, and tells in its
 * conditions and in Events how it goes. Level-triggered: whatever happened, a namespace is put right
 * from what is there. Routers of one namespace are worked on together, since the first one's names
 * are for one of them.
 */
export class RouterController {
  readonly #parts: ControllerParts;
  readonly #metrics: ControllerMetrics;
  readonly #stores: Readonly<Record<ResourceName, ObjectStore>>;
  readonly #queue: WorkQueue;
  readonly #end = new AbortController();
  readonly #leftovers = new Leftovers();
  readonly #problems: ProblemLog;
  readonly #events: EventRecorder;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
    this.#metrics = parts.metrics ?? new ControllerMetrics(() => []);
    this.#problems = new ProblemLog(parts.log, 'The API server cannot be followed');
    this.#events = new EventRecorder(parts.api, clusterNames.controller, parts.log);
    const open = (): ObjectStore => new ObjectStore((namespace) => this.#queue.add(namespace));
    this.#stores = { routers: open(), definitions: open(), deployments: open(), pods: open() };
    this.#queue = new WorkQueue(
      (namespace) => this.#reconcile(namespace),
      (namespace, error, retry) => {
        this.#metrics.reconciles.inc({ outcome: 'failure' });
        parts.log.warn(
          { err: error, namespace, retryMilliseconds: retry },
          'Cannot reconcile the routers of a namespace; retrying',
        );
      },
    );
  }

  start(): void {
    for (const name of Object.keys(resources) as ResourceName[]) void this.#follow(name);
  }

  /** Ends; what runs is not waited for. */
  stop(): void {
    this.#queue.close();
    this.#end.abort();
  }

  /** Looks at everything: we may have become the one that writes. */
  review(): void {
    for (const namespace of this.#stores.routers.namespaces) this.#queue.add(namespace);
  }

  /** Every EgressRouter as it was last seen. */
  get routers(): readonly Router[] {
    const { routers } = this.#stores;
    return [...routers.namespaces].flatMap((namespace) =>
      routers.in(namespace).flatMap((object) => readRouter(object) ?? []),
    );
  }

  /** Why the controller is not ready, in words; undefined when it is. */
  get unreadiness(): string | undefined {
    const missing = Object.entries(this.#stores).find(([, store]) => !store.isListed)?.[0];
    return missing === undefined ? undefined : `${missing} are not listed yet`;
  }

  #follow(name: ResourceName): Promise<void> {
    const { api, times } = this.#parts;
    const { root, plural, selection } = resources[name];
    const store = this.#stores[name];
    let isAbsent = false;
    const handler = {
      replace: (objects: readonly unknown[]) => {
        const isNew = !store.isListed || isAbsent;
        isAbsent = false;
        store.replace(objects);
        // What came of the other kinds had to wait for this one.
        if (isNew) this.review();
      },
      put: (object: unknown) => store.put(object),
      remove: (object: unknown) => store.remove(object),
      absent: () => {
        isAbsent = true;
        store.markAbsent();
        this.#problems.report(name, `the cluster has no ${resources[name].kind} API`);
        this.review();
      },
      report: (problem: string | undefined) => this.#problems.report(name, problem),
    };
    return reflect(api, `${root}/${plural}`, handler, this.#end.signal, times ?? ordinaryTimes, Math.random, selection);
  }

  async #reconcile(namespace: string): Promise<number | undefined> {
    if (!this.#parts.leadership.isHeld || this.unreadiness !== undefined) return undefined;
    const routers = this.#stores.routers.in(namespace).flatMap((object) => readRouter(object) ?? []);
    const living = routers.filter(({ isDeleting }) => !isDeleting);
    const names = assignNames(
      living.map(({ meta }) => meta),
      (name) =>
        controllerOf(this.#stores.deployments.get(namespace, name)) ??
        controllerOf(this.#stores.definitions.get(namespace, name)),
    );
    let next: number | undefined;
    let failure: { readonly error: unknown } | undefined;
    for (const router of living) {
      try {
        const delay = await this.#reconcileRouter(router, names.get(router.meta.uid) ?? 'wait');
        next = delay === undefined ? next : Math.min(delay, next ?? delay);
      } catch (error) {
        if (error instanceof LeadershipLost) return undefined;
        // The others of the namespace go on.
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error;
    this.#metrics.reconciles.inc({ outcome: 'success' });
    return next;
  }

  async #reconcileRouter(router: Router, names: RouterNames | 'wait'): Promise<number | undefined> {
    const outcome = names === 'wait' ? waiting : await this.#apply(router, names);
    const pods = names === 'wait' ? [] : this.#podsOf(router, names);
    const situation = await this.#describe(router, outcome, pods);
    const { api, log } = this.#parts;
    await writeRouterStatus(router, describeRouter(situation), {
      api,
      log,
      events: this.#events,
      checkWriter: () => this.#checkWriter(),
      learn: (object) => this.#stores.routers.learn(object),
      signal: this.#end.signal,
    });
    if (outcome.kind === 'waiting') return again.waiting;
    if (outcome.kind === 'trouble') return again.trouble;
    return pods.some(({ isReady }) => isReady) ? undefined : again.starting;
  }

  async #apply(router: Router, names: RouterNames): Promise<Outcome> {
    const { api, settings } = this.#parts;
    const { definitions, deployments } = this.#stores;
    const checkWriter = () => this.#checkWriter();
    const pods = this.#stores.pods.in(router.meta.namespace);
    const findLeftover = () => this.#leftovers.find(router.meta, names, pods, performance.now());
    const outcome = await applyRouter(router, names, {
      api,
      settings,
      definitions,
      deployments,
      findLeftover,
      checkWriter,
      signal: this.#end.signal,
    });
    if (outcome.kind === 'applied') this.#leftovers.forget(router.meta, names);
    return outcome;
  }

  #checkWriter(): void {
    if (!this.#parts.leadership.isHeld) throw new LeadershipLost('another process is the one that writes');
  }

  #podsOf({ meta }: Router, { definition, podLabels }: RouterNames): RouterPod[] {
    const isOurs = (object: unknown): boolean => {
      const labels = isRecord(object) && isRecord(object.metadata) ? object.metadata.labels : undefined;
      return isRecord(labels) && Object.entries(podLabels).every(([key, value]) => labels[key] === value);
    };
    return this.#stores.pods
      .in(meta.namespace)
      .filter(isOurs)
      .flatMap((object) => readRouterPod(object, `${meta.namespace}/${definition}`) ?? []);
  }

  async #describe(router: Router, outcome: Outcome, pods: readonly RouterPod[]): Promise<RouterSituation> {
    const failing = pods.find(({ isReady, isEnding }) => !isReady && !isEnding);
    const events =
      failing === undefined
        ? []
        : await listPodEvents(this.#parts.api, router.meta.namespace, failing.uid, this.#end.signal);
    return {
      trouble: outcome.kind === 'trouble' ? outcome.trouble : undefined,
      wait: outcome.kind === 'waiting' ? outcome.wait : undefined,
      configuration: outcome.kind === 'waiting' ? undefined : outcome.configuration,
      pods,
      addresses: router.spec.ok ? router.spec.value.reserved.map(({ prefix }) => prefix.address.text) : [],
      podEvent: latestMessage(events),
    };
  }
}
