import { keyOf } from '../api/object-meta.ts';
import type { EventRecorder } from '../cluster/events.ts';
import type { KubeApi } from '../cluster/port.ts';
import { isStatus } from '../cluster/status-patch.ts';
import type { DaemonLog } from '../daemon/log.ts';
import { type Departure, MoveLimit, type Restraint } from './failover.ts';
import { type ClusterNode, hasRefuge } from './nodes.ts';
import type { RouterPod } from './pods.ts';
import { kubeletPort } from './probe-targets.ts';
import { knockByConnecting } from './prober.ts';
import { pathOf, resources } from './resources.ts';
import { objectOf, type Router } from './router.ts';

/** A pod that is to go now. */
export interface Move {
  readonly pod: RouterPod;
  readonly departure: Departure;
  /** Nodes that the next pod must stay away from; undefined: those that it was told before. */
  readonly avoidedNodes?: readonly string[];
}

/** With what pods are moved. */
export interface DepartureParts {
  readonly api: KubeApi;
  readonly events: EventRecorder;
  readonly log: DaemonLog;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly nodes: () => readonly ClusterNode[];
  /** What the prober sees of a pod, by its UID. */
  readonly departureOf: (uid: string) => Departure | undefined;
  readonly count: (what: 'moved' | 'restrained', reason: Departure['reason'] | Restraint) => void;
  readonly checkWriter: () => void;
  readonly signal: AbortSignal;
}

/** Milliseconds for the API server to confirm that a pod is still there: longer, and our view may be old. */
const freshness = 1500;

/** Milliseconds for a node to answer. */
const answerTime = 500;

/** Pods that are restrained at once. */
const mostRemembered = 10_000;

const words: Readonly<Record<Departure['reason'], string>> = {
  NodeGone: 'no router on it answers',
  RouterSilent: 'it does not answer, others on its node do',
  NodeLeft: 'the node is cordoned or about to be removed',
};

/** Moves routers from nodes that died or are to be left, within limits. */
export class Departures {
  readonly #parts: DepartureParts;
  readonly #limit = new MoveLimit();
  /** Why pods that should go are still there, by UID. */
  readonly #restrained = new Map<string, Restraint>();

  constructor(parts: DepartureParts) {
    this.#parts = parts;
  }

  /**
   * Which of a router's pods is to go now, if any; nothing is done yet. `restrained`: one should, but must not
   * yet, and is to be looked at again. Never rejects.
   *
   * @param avoided nodes that the router was told to stay away from
   */
  async plan(
    router: Router,
    pods: readonly RouterPod[],
    avoided: readonly string[],
  ): Promise<Move | 'restrained' | undefined> {
    const { api, nodes, nodeSelector, signal } = this.#parts;
    for (const pod of pods) {
      const { node, uid, name } = pod;
      const departure = this.#departureOf(pod);
      if (departure === undefined || node === undefined) {
        this.#restrained.delete(uid);
        continue;
      }
      const shut = await this.#listShut(avoided.filter((one) => one !== node));
      const isRefuge = hasRefuge(nodes(), new Set([node, ...shut]), nodeSelector);
      // Where it could not run elsewhere, it is better left where it is.
      if (!isRefuge && departure.reason !== 'RouterSilent') continue;
      const path = pathOf(resources.pods, router.meta.namespace, name);
      const isFresh = await api.get(path, {}, AbortSignal.any([signal, AbortSignal.timeout(freshness)])).then(
        () => true,
        (error: unknown) => isStatus(error, 404),
      );
      if (!isFresh) return this.#restrain(router, pod, 'ApiStale', departure);
      if (!this.#limit.take(departure, uid, performance.now()))
        return this.#restrain(router, pod, 'RateLimited', departure);
      // Of the node of one that ends, the scheduler knows; the next pod may be there and well.
      if (pod.isEnding) return { pod, departure };
      const avoidedNodes = departure.reason === 'NodeGone' ? [...shut, node] : shut;
      return { pod, departure, ...(avoidedNodes.join() !== avoided.join() && { avoidedNodes }) };
    }
    return undefined;
  }

  /**
   * Which nodes a router that has no place is to stay away from: of those that it was told before, whichever
   * are still not well. One that died once would else be shut to it for ever, also when there is no other.
   * Undefined where nothing changes. Never rejects.
   */
  async relieve(avoided: readonly string[], pods: readonly RouterPod[]): Promise<readonly string[] | undefined> {
    if (avoided.length === 0 || !pods.some(({ isEnding, isUnschedulable }) => !isEnding && isUnschedulable))
      return undefined;
    const shut = await this.#listShut(avoided);
    return shut.length === avoided.length ? undefined : shut;
  }

  /** Which of some nodes are not well. */
  async #listShut(names: readonly string[]): Promise<readonly string[]> {
    const well = await Promise.all(names.map((name) => this.#isWell(name)));
    return names.filter((_, index) => well[index] !== true);
  }

  /** Its kubelet says so, and it answers by itself: that word is old for 40 s after a death. */
  async #isWell(name: string): Promise<boolean> {
    const node = this.#parts.nodes().find((one) => one.name === name);
    // One that is no more is nothing to stay away from.
    if (node === undefined) return true;
    if (!node.isReady || node.isLeft) return false;
    return (
      node.address === undefined || (await knockByConnecting({ host: node.address, port: kubeletPort }, answerTime))
    );
  }

  /** Lets a pod go: at once where its node cannot tell of its end. Rejects with a KubeError. */
  async carryOut(router: Router, { pod, departure }: Move): Promise<void> {
    const { api, events, log, checkWriter, count, signal } = this.#parts;
    const { namespace } = router.meta;
    checkWriter();
    const isSilent = departure.reason !== 'NodeLeft';
    try {
      const options = { uid: pod.uid, ...(isSilent && { graceSeconds: 0 }) };
      await api.remove(pathOf(resources.pods, namespace, pod.name), options, signal);
    } catch (error) {
      if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
    }
    count('moved', departure.reason);
    const message = `pod ${pod.name} leaves node ${departure.node}: ${words[departure.reason]}`;
    log.warn({ router: keyOf(router.meta), pod: pod.name, ...departure }, 'A router is moved to another node');
    await events.tell(objectOf(router), { type: 'Warning', reason: departure.reason, message }, signal);
  }

  #departureOf({ uid, node, isEnding }: RouterPod): Departure | undefined {
    const host = this.#parts.nodes().find(({ name }) => name === node);
    if (node === undefined) return undefined;
    // A kubelet that is gone ends nothing, and the next pod waits for the end of this one.
    if (isEnding) return host?.isReady === false ? { reason: 'NodeGone', node } : undefined;
    return this.#parts.departureOf(uid) ?? (host?.isLeft === true ? { reason: 'NodeLeft', node } : undefined);
  }

  /** Told once, however often it is looked at again. */
  #restrain(router: Router, { uid }: RouterPod, restraint: Restraint, departure: Departure): 'restrained' {
    if (this.#restrained.get(uid) === restraint) return 'restrained';
    // Of pods that are gone, nobody says so.
    if (this.#restrained.size > mostRemembered) this.#restrained.clear();
    this.#restrained.set(uid, restraint);
    this.#parts.count('restrained', restraint);
    this.#parts.log.warn(
      { router: keyOf(router.meta), restraint, ...departure },
      'A router that is gone is left alone',
    );
    return 'restrained';
  }
}
