import { SilentAddresses } from '../../lab/silence.ts';
import { until } from '../../until.ts';
import type { KubeObject } from './api-server.ts';
import { clusterPaths as paths, ready } from './cluster.ts';
import { ControllerLab, type Subject, well } from './controller-lab.ts';

/** Milliseconds from a node's death until its routers run elsewhere. */
const longestOutage = 5000;

/** Where a node and its pods are: a closed port answers there. Nodes have numbers. */
export const hostOf = (node: string): string => `127.77.0.${node.replaceAll(/\D/g, '')}`;

/** The node of a pod; `none` of one that waits for a node. */
export const nodeOf = (pod: KubeObject): string => (pod.spec as { nodeName?: string }).nodeName ?? 'none';

/** A controller whose routers run on nodes that answer probes, and can die. */
export class FailoverLab extends ControllerLab {
  readonly #network = new SilentAddresses();

  constructor(subject: Subject = 'source') {
    super(subject);
    this.cluster.podAddress = (pod) => hostOf(nodeOf(pod));
    this.cluster.nodeAddress = hostOf;
    this.cluster.podStatus = (pod) => ready(pod, [this.addressOf(pod)]);
  }

  override async down(): Promise<void> {
    this.#network.close();
    await super.down();
  }

  /** Pods that are not being deleted. */
  get pods(): readonly KubeObject[] {
    return this.server.all(paths.pods).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  /** Nodes of the pods that live, sorted. */
  get nodes(): readonly string[] {
    return this.pods.map(nodeOf).sort();
  }

  get eventReasons(): readonly unknown[] {
    return this.server.all(paths.events).map(({ reason }) => reason);
  }

  /** Silences the addresses of a node and its pods, and stops its kubelet. */
  kill(node: string): void {
    this.cluster.deadNodes.add(node);
    this.silence(node);
  }

  /** Drops what is sent to a node and its pods, while its kubelet goes on. */
  silence(node: string): void {
    this.#network.silence(hostOf(node));
  }

  /** Reverts {@link kill} and {@link silence}. */
  revive(node: string): void {
    this.cluster.deadNodes.delete(node);
    this.#network.revive(hostOf(node));
  }

  /** Waits until the living pods are on these nodes, and those alone. */
  async areOn(...nodes: readonly string[]): Promise<void> {
    await until(
      () => this.nodes.join() === nodes.join(),
      () => [this.nodes, this.eventReasons, this.server.requests.slice(-6)],
      longestOutage,
    );
  }

  /** Waits until routers are on these nodes, and the EgressRouter `web` works. */
  async worksOn(...nodes: readonly string[]): Promise<void> {
    await until(
      () => this.nodes.join() === nodes.join() && this.conditionsOf('web').join() === well.join(),
      () => [this.nodes, this.conditionsOf('web'), this.eventReasons, this.server.requests.slice(-6)],
      longestOutage,
    );
  }

  /**
   * Waits until every pod on these nodes (default: every living pod) was probed this many times more. After two, the
   * controller has the answer to the first; a silent pod is dead after three. A dead one is probed once an interval.
   */
  async probed(times = 2, nodes: readonly string[] = this.nodes): Promise<void> {
    const begun = await this.#network.attempts();
    const goals = new Map(nodes.map((node) => [hostOf(node), begun.get(hostOf(node)) ?? 0]));
    for (const node of nodes) goals.set(hostOf(node), (goals.get(hostOf(node)) ?? 0) + times);
    let now = begun;
    await until(
      async () => {
        now = await this.#network.attempts();
        return [...goals].every(([host, goal]) => (now.get(host) ?? 0) >= goal);
      },
      () => [[...goals], [...now]],
      20_000,
    );
  }
}
