import type { DaemonLog } from '../../base/daemon/log.ts';
import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { EventRecorder } from '../../base/kubernetes/events.ts';
import { fenceWrites, LeadershipLost, type TimedLeadership } from '../../base/kubernetes/leadership.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { ObjectStore } from '../../base/kubernetes/object-store.ts';
import { ProblemBook } from '../../base/kubernetes/problem-book.ts';
import { ordinaryTimes, type ReflectorTimes, reflect } from '../../base/kubernetes/reflector.ts';
import { PartialFailure, WorkQueue } from '../../base/kubernetes/work-queue.ts';
import { forAll } from '../../base/model/for-all.ts';
import { Departures } from './failover/departures.ts';
import { judgePresences, type Verdict } from './failover/failover.ts';
import { type ClusterNode, readNode } from './failover/nodes.ts';
import { ProbeTargets } from './failover/probe-targets.ts';
import { type ProbeTimes, RouterProber } from './failover/prober.ts';
import { ControllerMetrics } from './metrics.ts';
import type { ObjectSettings } from './objects/configuration.ts';
import { listOwners } from './objects/members.ts';
import { assignNames } from './objects/names.ts';
import { type ResourceName, resources } from './objects/resources.ts';
import { type Router, readRouter } from './objects/router.ts';
import { RouterGone } from './reconcile.ts';
import { RouterWork } from './router-work.ts';

/** Maximum number of routers of one namespace that are reconciled at a time. */
const concurrency = 8;

/** Dependencies of the controller. */
export interface ControllerParts {
  readonly api: KubeApi;
  readonly settings: ObjectSettings;
  readonly leadership: TimedLeadership;
  readonly log: DaemonLog;
  readonly times?: ReflectorTimes;
  readonly probeTimes?: ProbeTimes;
  /** Metrics of the controller. Absent: none. */
  readonly metrics?: ControllerMetrics;
}

/**
 * Creates a NetworkAttachmentDefinition and a Deployment for every address of every EgressRouter, moves routers off
 * dead nodes, and reports in conditions and Events. It is level-triggered: it reconciles a namespace from its current
 * state, whatever happened before. Routers of one namespace are reconciled together, because only one of them gets
 * the names of the first router.
 */
export class RouterController {
  readonly #parts: ControllerParts;
  readonly #metrics: ControllerMetrics;
  readonly #stores: Readonly<Record<ResourceName, ObjectStore>>;
  readonly #queue: WorkQueue;
  readonly #end = new AbortController();
  readonly #problems: ProblemBook;
  readonly #prober: RouterProber;
  readonly #targets = new ProbeTargets();
  readonly #work: RouterWork;
  /**
   * Nodes update their status all the time. Only changes that make routers leave a node, or allow them to move there,
   * matter.
   */
  #nodeStates = '';
  #verdict: Verdict = { departures: new Map(), restraint: undefined };
  /** Namespaces whose routers the prober knows, until it has probed every router of the cluster once. */
  #surveyed: Set<string> | undefined = new Set();

  constructor(parts: ControllerParts) {
    const { log, settings, leadership } = parts;
    const api = fenceWrites(parts.api, leadership);
    this.#parts = parts;
    this.#metrics = parts.metrics ?? new ControllerMetrics(() => []);
    this.#problems = new ProblemBook(log, 'Cannot watch the API server');
    const open = (): ObjectStore => new ObjectStore((namespace) => this.#queue.add(namespace));
    this.#stores = {
      routers: open(),
      definitions: open(),
      deployments: open(),
      pods: open(),
      nodes: new ObjectStore(() => this.#reviewNodes()),
    };
    this.#queue = new WorkQueue(
      (namespace) => this.#reconcile(namespace),
      (namespace, error, retry) => {
        this.#metrics.reconciles.inc({ outcome: 'failure' });
        log.warn(
          { err: error, namespace, retryMilliseconds: retry },
          'Failed to reconcile the routers of a namespace; retrying',
        );
      },
    );
    this.#prober = new RouterProber(() => this.#judge(), parts.probeTimes);
    const events = new EventRecorder(api, clusterNames.controller, log);
    const shared = { api, events, log, signal: this.#end.signal, leadership };
    const departures = new Departures({
      ...shared,
      nodeSelector: settings.nodeSelector,
      nodeFailureSeconds: settings.nodeFailureSeconds,
      nodes: () => this.#nodes,
      departures: () => this.#verdict.departures,
      count: (what, reason) => this.#metrics[what === 'moved' ? 'moves' : 'restraints'].inc({ reason }),
    });
    this.#work = new RouterWork({ ...shared, settings, stores: this.#stores, departures });
  }

  start(): void {
    for (const name of Object.keys(resources) as ResourceName[]) void this.#follow(name);
    this.#prober.start();
  }

  /** Stops without waiting for work in progress. */
  stop(): void {
    this.#prober.close();
    this.#queue.close();
    this.#end.abort();
  }

  /** Reconciles everything, because this process may have become the leader. */
  review(): void {
    for (const namespace of this.#stores.routers.namespaces) this.#queue.add(namespace);
  }

  /** Every observed EgressRouter. */
  get routers(): readonly Router[] {
    return [...this.#stores.routers.namespaces].flatMap((namespace) => this.#routersIn(namespace));
  }

  /**
   * Why the controller is not ready, or undefined if it is. A controller that has not probed the routers yet would
   * not notice the death of a node, so an upgrade must not stop its predecessor.
   */
  get unreadiness(): string | undefined {
    const missing = this.#missing;
    if (missing !== undefined || this.#surveyed === undefined) return missing;
    const known = this.#surveyed;
    const isSurveyed = [...this.#stores.routers.namespaces].every((namespace) => known.has(namespace));
    if (!isSurveyed || !this.#prober.hasProbedAll) return 'routers are not probed yet';
    this.#surveyed = undefined;
    return undefined;
  }

  /** Kinds that are not listed yet, for messages. */
  get #missing(): string | undefined {
    const missing = Object.entries(this.#stores).find(([, store]) => !store.isListed)?.[0];
    if (missing === undefined) return undefined;
    const [problem] = this.#problems.lines;
    return `${missing} are not listed yet${problem === undefined ? '' : `: ${problem}`}`;
  }

  get #nodes(): readonly ClusterNode[] {
    return this.#stores.nodes.in('').flatMap((object) => readNode(object) ?? []);
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
        // Reconciliations for the other kinds had to wait for this one.
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
      report: (problem: string | undefined) => {
        if (name === 'pods' && problem !== undefined) this.#work.sight.lose();
        this.#problems.report(name, problem);
      },
    };
    return reflect(api, `${root}/${plural}`, handler, this.#end.signal, times ?? ordinaryTimes, Math.random, selection);
  }

  #reviewNodes(): void {
    const states = this.#nodes.map(
      ({ name, isLeft, isReady, taints }) => `${name} ${isLeft} ${isReady} ${JSON.stringify(taints)}`,
    );
    const text = states.sort().join();
    if (text === this.#nodeStates) return;
    this.#nodeStates = text;
    this.review();
  }

  /** Evaluates the changed observations of the prober. */
  #judge(): void {
    const before = this.#verdict;
    this.#verdict = judgePresences(this.#prober.presences);
    const { departures, restraint } = this.#verdict;
    if (restraint !== undefined && before.restraint === undefined) {
      this.#metrics.restraints.inc({ reason: restraint });
      this.#parts.log.warn(
        { restraint },
        'Most routers are silent at the same time; this controller may be disconnected and does not move them',
      );
    }
    const silent = this.#prober.presences.filter(({ target }) => departures.has(target.uid));
    for (const namespace of new Set(silent.map(({ target }) => target.namespace))) this.#queue.add(namespace);
  }

  #routersIn(namespace: string): readonly Router[] {
    const { allowedNames } = this.#parts.settings;
    return this.#stores.routers.in(namespace).flatMap((object) => readRouter(object, allowedNames) ?? []);
  }

  async #reconcile(namespace: string): Promise<number | undefined> {
    if (this.#missing !== undefined) return undefined;
    const living = this.#routersIn(namespace).filter(({ isDeleting }) => !isDeleting);
    // A standby controller probes, too, because only a router that has answered before can be found dead.
    const { pods, deployments, definitions } = this.#stores;
    this.#prober.set(this.#targets.update(namespace, living, pods.in(namespace), this.#nodes));
    this.#surveyed?.add(namespace);
    // Another pod may have taken the place of a silent one.
    this.#verdict = judgePresences(this.#prober.presences);
    if (!this.#parts.leadership.isHeld) return undefined;
    const owners = listOwners([...definitions.in(namespace), ...deployments.in(namespace)]);
    const names = assignNames(
      living.map(({ meta }) => meta),
      (name) => owners.get(name),
    );
    let next: number | undefined;
    const note = (delay: number | undefined): void => {
      if (delay !== undefined) next = Math.min(delay, next ?? delay);
    };
    let failure: { readonly error: unknown } | undefined;
    await forAll(living, concurrency, async (router) => {
      try {
        note(await this.#work.run(router, names.get(router.meta.uid) ?? 'wait'));
      } catch (error) {
        // The watch will deliver the deletion; the new leader reviews everything.
        if (error instanceof RouterGone || error instanceof LeadershipLost) return;
        // Continue with the other routers of the namespace.
        failure ??= { error: error instanceof PartialFailure ? error.cause : error };
        if (error instanceof PartialFailure) note(error.next);
      }
    });
    if (failure !== undefined) throw new PartialFailure(failure.error, next);
    this.#metrics.reconciles.inc({ outcome: 'success' });
    return next;
  }
}
