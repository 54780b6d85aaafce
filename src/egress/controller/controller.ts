import type { DaemonLog } from '../../base/daemon/log.ts';
import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { EventRecorder } from '../../base/kubernetes/events.ts';
import { fenceWrites, LeadershipLost, type TimedLeadership } from '../../base/kubernetes/leadership.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { ProblemBook } from '../../base/kubernetes/problem-book.ts';
import { ordinaryTimes, type ReflectorTimes, reflect } from '../../base/kubernetes/reflector.ts';
import { PartialFailure, WorkQueue } from '../../base/kubernetes/work-queue.ts';
import { Departures } from './failover/departures.ts';
import { judgePresences, type Verdict } from './failover/failover.ts';
import { type ClusterNode, readNode } from './failover/nodes.ts';
import { ProbeTargets } from './failover/probe-targets.ts';
import { type ProbeTimes, RouterProber } from './failover/prober.ts';
import { ControllerMetrics } from './metrics.ts';
import { listOwners } from './objects/members.ts';
import { assignNames } from './objects/names.ts';
import type { ObjectSettings } from './objects/objects.ts';
import { type ResourceName, resources } from './objects/resources.ts';
import { type Router, readRouter } from './objects/router.ts';
import { ObjectStore } from './objects/store.ts';
import { RouterGone } from './reconcile.ts';
import { RouterWork } from './router-work.ts';

/** What a controller works with. */
export interface ControllerParts {
  readonly api: KubeApi;
  readonly settings: ObjectSettings;
  readonly leadership: TimedLeadership;
  readonly log: DaemonLog;
  readonly times?: ReflectorTimes;
  readonly probeTimes?: ProbeTimes;
  /** Where it counts what it does; absent: nowhere. */
  readonly metrics?: ControllerMetrics;
}

/**
 * Makes a NetworkAttachmentDefinition and a Deployment for every address of every EgressRouter, moves them
 * from nodes that die, and tells in conditions and in Events how it goes. Level-triggered: whatever
 * happened, a namespace is brought to what is wanted from what is there. Routers of one namespace are
 * worked on together, since the first one's names are for one of them.
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
  /** Nodes update their status all the time; only a node that routers must leave, or can move to, matters. */
  #nodeStates = '';
  #verdict: Verdict = { departures: new Map(), restraint: undefined };
  /** Namespaces whose routers the prober knows, until it has probed every router of the cluster once. */
  #surveyed: Set<string> | undefined = new Set();

  constructor(parts: ControllerParts) {
    const { log, settings, leadership } = parts;
    const api = fenceWrites(parts.api, leadership);
    this.#parts = parts;
    this.#metrics = parts.metrics ?? new ControllerMetrics(() => []);
    this.#problems = new ProblemBook(log, 'The API server cannot be followed');
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
          'Cannot reconcile the routers of a namespace; retrying',
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

  /** Ends; what runs is not waited for. */
  stop(): void {
    this.#prober.close();
    this.#queue.close();
    this.#end.abort();
  }

  /** Looks at everything: we may have become the one that writes. */
  review(): void {
    for (const namespace of this.#stores.routers.namespaces) this.#queue.add(namespace);
  }

  /** Every EgressRouter as it was last seen. */
  get routers(): readonly Router[] {
    return [...this.#stores.routers.namespaces].flatMap((namespace) => this.#routersIn(namespace));
  }

  /**
   * Why the controller is not ready, in words; undefined when it is. One that has not probed the routers yet would
   * not notice that a node dies, so an upgrade must not end the previous controller.
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

  /** What is not listed yet, in words. */
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

  /** What the prober sees has changed. */
  #judge(): void {
    const before = this.#verdict;
    this.#verdict = judgePresences(this.#prober.presences);
    const { departures, restraint } = this.#verdict;
    if (restraint !== undefined && before.restraint === undefined) {
      this.#metrics.restraints.inc({ reason: restraint });
      this.#parts.log.warn(
        { restraint },
        'Most routers are silent at once: this controller may be cut off, and leaves them',
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
    // A standby controller probes too: only a router that has answered before can be found dead.
    const { pods, deployments, definitions } = this.#stores;
    this.#prober.set(this.#targets.update(namespace, living, pods.in(namespace), this.#nodes));
    this.#surveyed?.add(namespace);
    // What was silent may be another pod's place now.
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
    for (const router of living) {
      try {
        note(await this.#work.run(router, names.get(router.meta.uid) ?? 'wait'));
      } catch (error) {
        if (error instanceof LeadershipLost) return undefined;
        // The watch will tell.
        if (error instanceof RouterGone) continue;
        // The others of the namespace go on.
        failure ??= { error: error instanceof PartialFailure ? error.cause : error };
        if (error instanceof PartialFailure) note(error.next);
      }
    }
    if (failure !== undefined) throw new PartialFailure(failure.error, next);
    this.#metrics.reconciles.inc({ outcome: 'success' });
    return next;
  }
}
