import { LRUCache } from 'lru-cache';
import type { DaemonLog } from '../../../base/daemon/log.ts';
import type { KubeApi } from '../../../base/kubernetes/cluster-api.ts';
import type { EventRecorder } from '../../../base/kubernetes/events.ts';
import { checkLeadership, type Leadership } from '../../../base/kubernetes/leadership.ts';
import { within } from '../../../base/kubernetes/limit.ts';
import { isStatus } from '../../../base/kubernetes/status-patch.ts';
import { keyOf } from '../../../base/read/object-meta.ts';
import { pathOf, resources } from '../objects/resources.ts';
import { objectOf, type Router } from '../objects/router.ts';
import { DeadNodes } from './dead-nodes.ts';
import { type Departure, MoveLimit, type Restraint } from './failover.ts';
import { type ClusterNode, hasRefuge } from './nodes.ts';
import type { RouterPod } from './pods.ts';
import { kubeletPort } from './probe-targets.ts';
import { probeByConnecting } from './prober.ts';

/** A pod to delete now. */
interface Move {
  readonly pod: RouterPod;
  readonly departure: Departure;
}

/** A decision about the node of a router. */
export interface DeparturePlan {
  readonly move?: Move;
  /** Nodes that its pods must avoid, if they differ from the previous ones and therefore need another template. */
  readonly avoidedNodes?: readonly string[];
  /** The router should move, but stays for a temporary reason. */
  readonly isHeldBack: boolean;
}

/** Dependencies of {@link Departures}. */
export interface DepartureParts {
  readonly api: KubeApi;
  readonly events: EventRecorder;
  readonly log: DaemonLog;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Seconds after which a pod leaves a failed node. */
  readonly nodeFailureSeconds: number;
  readonly nodes: () => readonly ClusterNode[];
  /** Departures found by the prober, by UID of the pod. */
  readonly departures: () => ReadonlyMap<string, Departure>;
  readonly count: (what: 'moved' | 'restrained', reason: Departure['reason'] | Restraint) => void;
  readonly leadership: Leadership;
  readonly signal: AbortSignal;
}

/** Milliseconds for the API server to confirm that a pod exists. If it takes longer, our view may be outdated. */
const freshness = 1500;

/** Milliseconds for a deletion request, because its connection may have died with the node. */
const deletionTime = 3000;

/** Milliseconds for a node to answer. */
const answerTime = 500;

/** Maximum number of cached pods. */
const mostRemembered = 1000;

const words: Readonly<Record<Departure['reason'], string>> = {
  NodeGone: 'no router on it answers',
  RouterSilent: 'it does not answer, but other routers on its node do',
  NodeLeft: 'the node is cordoned or about to be removed',
};

/** Moves routers off nodes that are dead, drained or cordoned, within limits. */
export class Departures {
  readonly #parts: DepartureParts;
  readonly #limit = new MoveLimit();
  /** Since when pods on failed nodes have been terminating, by UID. */
  readonly #ending = new LRUCache<string, number>({ max: mostRemembered });
  readonly #dead = new DeadNodes();
  /** Why each pod was not moved at the last check, by UID, so that each reason is logged once. */
  readonly #restrained = new LRUCache<string, Restraint>({ max: mostRemembered });

  constructor(parts: DepartureParts) {
    this.#parts = parts;
  }

  /** Recently dead nodes that the scheduler may not know yet. */
  get deadNodes(): readonly string[] {
    return this.#dead.recent(performance.now());
  }

  /**
   * Returns the pod of a router that must be deleted now, if any. Changes nothing. Never rejects.
   *
   * @param avoidedNodes of the router's current template
   */
  async plan(router: Router, pods: readonly RouterPod[], avoidedNodes: readonly string[]): Promise<DeparturePlan> {
    const { nodes, departures, nodeSelector } = this.#parts;
    for (const { reason, node } of departures().values())
      if (reason === 'NodeGone') this.#dead.note(node, performance.now());
    const leaving = pods.flatMap((pod) => {
      const departure = this.#departureOf(pod);
      return departure === undefined ? [] : [{ pod, departure }];
    });
    const isStuck = pods.some((pod) => pod.isUnschedulable) && pods.every((pod) => pod.isEnding || !pod.node);
    if (leaving.length === 0 && !isStuck) return { isHeldBack: false };
    const dead = await this.#findDead(new Set(leaving.map(({ departure }) => departure.node)), avoidedNodes);
    // A node that was avoided once is not avoided forever, because it may be the only one left.
    const isOutdated = avoidedNodes.some((node) => !dead.includes(node));
    let isHeldBack = false;
    for (const { pod, departure } of leaving) {
      const { reason, node } = departure;
      // A router that could not run elsewhere stays where it is.
      if (reason !== 'RouterSilent' && !hasRefuge(nodes(), new Set([node, ...dead]), nodeSelector, pod.tolerations)) {
        isHeldBack ||= hasRefuge(nodes(), new Set([node]), nodeSelector, pod.tolerations);
        continue;
      }
      const restraint = await this.#findRestraint(router, pod, departure);
      if (restraint !== undefined) {
        this.#restrain(router, pod.uid, restraint, departure);
        return { isHeldBack: true };
      }
      this.#restrained.delete(pod.uid);
      const isOther = reason === 'NodeGone' || this.#needsTemplate(pod, departure, dead, avoidedNodes);
      return { move: { pod, departure }, isHeldBack: false, ...(isOther && { avoidedNodes: dead }) };
    }
    return { isHeldBack, ...(isStuck && isOutdated && { avoidedNodes: dead }) };
  }

  /**
   * Whether a pod that leaves a working node needs another template. Without one, its ReplicaSet creates the next pod
   * at once; with one, the Deployment waits until the old pod has ended.
   */
  #needsTemplate(
    pod: RouterPod,
    { reason, node }: Departure,
    dead: readonly string[],
    avoidedNodes: readonly string[],
  ): boolean {
    const { nodes, nodeSelector } = this.#parts;
    const left = new Set([...(reason === 'NodeLeft' ? [node] : []), ...avoidedNodes, ...dead]);
    if (!hasRefuge(nodes(), left, nodeSelector, pod.tolerations))
      return avoidedNodes.some((one) => !dead.includes(one));
    // The scheduler may still consider a dead node healthy.
    return nodes().some(
      ({ name, isReady, isLeft }) => dead.includes(name) && !avoidedNodes.includes(name) && isReady && !isLeft,
    );
  }

  #departureOf({ uid, node, isEnding }: RouterPod): Departure | undefined {
    if (isEnding || node === undefined) return undefined;
    const isLeft = this.#parts.nodes().some((one) => one.name === node && one.isLeft);
    return this.#parts.departures().get(uid) ?? (isLeft ? { reason: 'NodeLeft', node } : undefined);
  }

  /**
   * Returns recently dead nodes, except those that answer again: the only other node may be one that was away for
   * seconds.
   */
  async #findDead(left: ReadonlySet<string>, avoidedNodes: readonly string[]): Promise<readonly string[]> {
    for (const node of avoidedNodes) this.#dead.suspect(node, performance.now());
    const others = this.deadNodes.filter((node) => !left.has(node));
    const alive = await Promise.all(others.map(async (node) => ((await this.#answers(node)) ? [node] : [])));
    for (const node of alive.flat()) this.#dead.forget(node);
    return this.deadNodes;
  }

  /**
   * Returns whether a node is ready according to its kubelet, which is outdated for 40 s after a death, and answers a
   * probe.
   */
  async #answers(name: string): Promise<boolean> {
    const node = this.#parts.nodes().find((one) => one.name === name);
    if (node?.address === undefined || !node.isReady) return false;
    return (await probeByConnecting({ host: node.address, port: kubeletPort }, answerTime)) === 'answer';
  }

  async #findRestraint({ meta }: Router, pod: RouterPod, departure: Departure): Promise<Restraint | undefined> {
    const { api, signal } = this.#parts;
    const path = pathOf(resources.pods, meta.namespace, pod.name);
    const isFresh = await within(freshness, signal, (limit) => api.get(path, {}, limit)).then(
      () => true,
      (error: unknown) => isStatus(error, 404),
    );
    if (!isFresh) return 'ApiStale';
    const isAllowed = this.#limit.take(`${meta.uid} ${pod.member}`, pod.uid, departure, performance.now());
    return isAllowed ? undefined : 'RateLimited';
  }

  /**
   * Deletes pods that cannot terminate, because their node died after their deletion was requested. Their Deployment
   * would wait for them forever. Resolves to whether such a pod may be left. Rejects with a KubeError.
   *
   * @param avoidedBy nodes that the pod's Deployment avoids: pods there belong to an earlier rollout, and their node
   * was dead
   */
  async endLost(
    router: Router,
    pods: readonly RouterPod[],
    avoidedBy: (pod: RouterPod) => readonly string[],
  ): Promise<boolean> {
    const dead = this.deadNodes;
    let isWaiting = false;
    for (const pod of pods) {
      const { node, uid } = pod;
      if (!pod.isEnding || node === undefined) continue;
      const isWell = this.#parts.nodes().some((one) => one.name === node && one.isReady);
      const isLost = avoidedBy(pod).includes(node) || dead.includes(node) || (!isWell && this.#isOverdue(uid));
      isWaiting ||= !isLost && !isWell;
      if (isLost) await this.#remove(router, pod, 0);
    }
    return isWaiting;
  }

  /** Returns whether a pod on a failed node has been terminating for as long as a running pod may stay there. */
  #isOverdue(uid: string): boolean {
    const now = performance.now();
    const since = this.#ending.get(uid) ?? now;
    this.#ending.set(uid, since);
    return now - since >= this.#parts.nodeFailureSeconds * 1000;
  }

  /** Deletes a pod, without grace period if its node cannot confirm the termination. Rejects with a KubeError. */
  async carryOut(router: Router, { pod, departure }: Move): Promise<void> {
    const { events, log, count, signal } = this.#parts;
    await this.#remove(router, pod, departure.reason === 'NodeLeft' ? undefined : 0);
    count('moved', departure.reason);
    const message = `pod ${pod.name} leaves node ${departure.node}: ${words[departure.reason]}`;
    log.warn({ router: keyOf(router.meta), pod: pod.name, ...departure }, 'Moving a router to another node');
    // The move does not wait for the Event.
    void events.tell(objectOf(router), { type: 'Warning', reason: departure.reason, message }, signal);
  }

  async #remove({ meta }: Router, { name, uid }: RouterPod, graceSeconds: number | undefined): Promise<void> {
    const { api, leadership, signal } = this.#parts;
    checkLeadership(leadership);
    try {
      const options = { uid, ...(graceSeconds !== undefined && { graceSeconds }) };
      const path = pathOf(resources.pods, meta.namespace, name);
      await within(deletionTime, signal, (limit) => api.remove(path, options, limit));
    } catch (error) {
      // The pod is gone, or another pod has its name.
      if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
    }
  }

  #restrain(router: Router, uid: string, restraint: Restraint, departure: Departure): void {
    if (this.#restrained.get(uid) === restraint) return;
    this.#restrained.set(uid, restraint);
    this.#parts.count('restrained', restraint);
    this.#parts.log.warn({ router: keyOf(router.meta), restraint, ...departure }, 'A router is gone but is not moved');
  }
}
