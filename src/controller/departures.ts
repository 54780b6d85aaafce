import { keyOf } from '../api/object-meta.ts';
import type { EventRecorder } from '../cluster/events.ts';
import type { KubeApi } from '../cluster/port.ts';
import { isStatus } from '../cluster/status-patch.ts';
import type { DaemonLog } from '../daemon/log.ts';
import { type Departure, MoveLimit, type Restraint } from './failover.ts';
import { type ClusterNode, hasRefuge } from './nodes.ts';
import type { RouterPod } from './pods.ts';
import { pathOf, resources } from './resources.ts';
import { objectOf, type Router } from './router.ts';

/** A pod that is to go now. */
export interface Move {
  readonly pod: RouterPod;
  readonly departure: Departure;
  /** Nodes that the next pod must stay away from; undefined: the scheduler knows by itself. */
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

const words: Readonly<Record<Departure['reason'], string>> = {
  NodeGone: 'no router on it answers',
  RouterSilent: 'it does not answer, others on its node do',
  NodeLeft: 'the node is cordoned or about to be removed',
};

/** Moves routers from nodes that died or are to be left, within limits. */
export class Departures {
  readonly #parts: DepartureParts;
  readonly #limit = new MoveLimit();

  constructor(parts: DepartureParts) {
    this.#parts = parts;
  }

  /** Which of a router's pods is to go now, if any; nothing is done yet. Never rejects. */
  async plan(router: Router, pods: readonly RouterPod[]): Promise<Move | undefined> {
    const { api, nodes, departureOf, nodeSelector, signal } = this.#parts;
    for (const pod of pods) {
      if (pod.isEnding || pod.node === undefined) continue;
      const { node, uid, name } = pod;
      const isLeft = nodes().some((one) => one.name === node && one.isLeft);
      const departure = departureOf(uid) ?? (isLeft ? { reason: 'NodeLeft' as const, node } : undefined);
      if (departure === undefined) continue;
      const isRefuge = hasRefuge(nodes(), new Set([node]), nodeSelector);
      // Where it could not run elsewhere, it is better left where it is.
      if (!isRefuge && departure.reason !== 'RouterSilent') continue;
      const path = pathOf(resources.pods, router.meta.namespace, name);
      const isFresh = await api.get(path, {}, AbortSignal.any([signal, AbortSignal.timeout(freshness)])).then(
        () => true,
        (error: unknown) => isStatus(error, 404),
      );
      if (!isFresh) return this.#restrain(router, 'ApiStale', departure);
      if (!this.#limit.take(performance.now())) return this.#restrain(router, 'RateLimited', departure);
      return { pod, departure, ...(departure.reason === 'NodeGone' && { avoidedNodes: [node] }) };
    }
    return undefined;
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

  #restrain(router: Router, restraint: Restraint, departure: Departure): undefined {
    this.#parts.count('restrained', restraint);
    this.#parts.log.warn(
      { router: keyOf(router.meta), restraint, ...departure },
      'A router that is gone is left alone',
    );
    return undefined;
  }
}
