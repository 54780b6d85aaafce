import type { DaemonLog } from '../../base/daemon/log.ts';
import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { EventRecorder } from '../../base/kubernetes/events.ts';
import {
  checkLeadership,
  fenceWrites,
  LeadershipLost,
  type TimedLeadership,
} from '../../base/kubernetes/leadership.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { ProblemBook } from '../../base/kubernetes/problem-book.ts';
import type { ReflectorTimes } from '../../base/kubernetes/reflector.ts';
import { isStatus } from '../../base/kubernetes/status-patch.ts';
import { WorkQueue } from '../../base/kubernetes/work-queue.ts';
import { isRecord } from '../../base/read/shape.ts';
import { type ApplyParts, ownerOf, pruneObjects } from './apply.ts';
import { Authority } from './authority.ts';
import { RevocationLists } from './crl/lists.ts';
import { defaultName, planDefault } from './default-object.ts';
import { readIngressController } from './ingress-controller.ts';
import { places } from './names.ts';
import { type OwnedKindName, ownedKinds } from './objects.ts';
import { removeRouter } from './removal.ts';
import { controllersPath, type OperatorSettings, RouterWork } from './router-work.ts';
import { OperatorStores } from './stores.ts';

/** Dependencies of the operator. */
export interface OperatorParts {
  readonly api: KubeApi;
  readonly settings: OperatorSettings;
  readonly leadership: TimedLeadership;
  readonly log: DaemonLog;
  readonly times?: ReflectorTimes;
}

/**
 * Creates a router for every IngressController and reports its state. It is level-triggered: it compares the desired
 * state and the last observed one, whatever happened before. Every change reconciles every object, because domains and
 * nodes are shared; an object that needs nothing causes no request.
 */
export class IngressOperator {
  readonly #parts: OperatorParts;
  readonly #stores: OperatorStores;
  readonly #queue: WorkQueue;
  readonly #problems: ProblemBook;
  readonly #end = new AbortController();
  readonly #apply: ApplyParts;
  readonly #work: RouterWork;
  readonly #lists: RevocationLists;
  /** Why the IngressController `default` was not created, as last logged. */
  #obstacle = '';

  constructor(parts: OperatorParts) {
    const { log, settings, leadership } = parts;
    const api = fenceWrites(parts.api, leadership);
    const { signal } = this.#end;
    this.#parts = parts;
    this.#stores = new OperatorStores(() => this.review());
    this.#problems = new ProblemBook(log, 'Cannot watch the API server');
    this.#queue = new WorkQueue(
      (name) => this.#reconcile(name),
      (name, error, retry) =>
        log.warn(
          { err: error, ingressController: name, retryMilliseconds: retry },
          'Failed to reconcile an IngressController; retrying',
        ),
    );
    this.#apply = { api, stores: this.#stores, leadership, signal };
    const { downloads } = settings;
    this.#lists = new RevocationLists({ settings: downloads, log, signal, onChange: () => this.review() });
    this.#work = new RouterWork({
      ...this.#apply,
      settings,
      lists: this.#lists,
      authority: new Authority(api, this.#stores, signal),
      events: new EventRecorder(api, clusterNames.controller, log),
      log,
    });
  }

  start(): void {
    this.#stores.follow(this.#parts.api, this.#problems, this.#end.signal, this.#parts.times);
  }

  /** Stops without waiting for work in progress. */
  stop(): void {
    this.#queue.close();
    this.#end.abort();
  }

  /** Reconciles every object, and cleans up after deleted ones. */
  review(): void {
    const names = new Set<string>();
    for (const object of this.#stores.of('controllers').in(places.objects)) {
      const name = isRecord(object) && isRecord(object.metadata) ? object.metadata.name : undefined;
      if (typeof name === 'string') names.add(name);
    }
    for (const kind of Object.keys(ownedKinds) as OwnedKindName[]) {
      for (const object of this.#stores.of(kind).in(places.routers)) {
        const owner = ownerOf(object);
        if (owner !== undefined) names.add(owner);
      }
    }
    if (this.#parts.settings.createsDefault) names.add(defaultName);
    for (const name of names) this.#queue.add(name);
  }

  /** Why the operator is not ready; undefined if it is. */
  get unreadiness(): string | undefined {
    const { missing } = this.#stores;
    if (missing === undefined) return undefined;
    const [problem] = this.#problems.lines;
    return `${missing} of IngressControllers are not listed yet${problem === undefined ? '' : `: ${problem}`}`;
  }

  async #reconcile(name: string): Promise<number | undefined> {
    if (this.#stores.missing !== undefined || !this.#parts.leadership.isHeld) return undefined;
    const raw = this.#stores.of('controllers').get(places.objects, name);
    try {
      if (raw === undefined) {
        // Someone removed its finalizer by hand.
        this.#lists.forget(name);
        await pruneObjects(name, [], this.#apply);
        if (name === defaultName && this.#parts.settings.createsDefault) await this.#createDefault();
        return undefined;
      }
      const object = readIngressController(raw);
      if (object === undefined) throw new Error(`Cannot read IngressController ${name}: its metadata is invalid`);
      return object.isDeleting ? await removeRouter(object, raw, this.#apply) : await this.#work.run(object, raw);
    } catch (error) {
      // The new leader reconciles every object.
      if (error instanceof LeadershipLost) return undefined;
      throw error;
    }
  }

  async #createDefault(): Promise<void> {
    const { log, settings } = this.#parts;
    const nodes = this.#stores.of('nodes').in('');
    const plan = planDefault({ objects: this.#stores.controllers, nodes, domain: settings.domain });
    if ('obstacle' in plan) {
      const { obstacle } = plan;
      if (obstacle !== this.#obstacle) log.info({}, `IngressController default is not created: ${obstacle}`);
      this.#obstacle = obstacle;
      return;
    }
    this.#obstacle = '';
    const { api, leadership, signal } = this.#apply;
    checkLeadership(leadership);
    try {
      await api.create(controllersPath, plan.body, signal);
      log.info({}, 'Created the IngressController default');
    } catch (error) {
      // The watch will deliver the object of another writer.
      if (!isStatus(error, 409)) throw error;
    }
  }
}
