import { memberKeyOf } from '../../api/member-key.ts';
import { plainDeployment } from '../objects/names.ts';
import type { Router } from '../objects/router.ts';
import { pickQuietPort } from './failover.ts';
import type { ClusterNode } from './nodes.ts';
import { type RouterPod, readRouterPod } from './pods.ts';
import type { ProbeTarget } from './prober.ts';

/** The port of every kubelet. */
export const kubeletPort = 10_250;

/** Addresses to probe in every namespace to observe whether routers are alive. */
export class ProbeTargets {
  readonly #byNamespace = new Map<string, readonly ProbeTarget[]>();

  /**
   * Updates the targets of one namespace and returns those of the whole cluster.
   *
   * @param pods all routers of the namespace, as received
   */
  update(
    namespace: string,
    routers: readonly Router[],
    pods: readonly unknown[],
    nodes: readonly ClusterNode[],
  ): readonly ProbeTarget[] {
    const read = pods.flatMap((object) => readRouterPod(object) ?? []).filter(isRouter);
    const known = new Set(this.#byNamespace.get(namespace)?.map(({ uid }) => uid));
    const targets = routers.flatMap(({ spec }) =>
      (spec.ok ? spec.value : []).flatMap((member) => {
        const key = memberKeyOf(member);
        const { redirects, named = [], fallbacks, fallbackName } = member.redirects;
        const hasFallback = fallbacks.length > 0 || fallbackName !== undefined;
        const ports = new Set([...redirects, ...named].map((one) => one.port));
        const port = hasFallback ? undefined : pickQuietPort(ports);
        // One target per router, so that the vote of a tenant about dead nodes does not exceed its routers.
        const pod = read.find((one) => one.member === key && (one.isReady || known.has(one.uid)));
        return (pod && findTarget(namespace, pod, port, nodes)) ?? [];
      }),
    );
    if (targets.length === 0) this.#byNamespace.delete(namespace);
    else this.#byNamespace.set(namespace, targets);
    return [...this.#byNamespace.values()].flat();
  }
}

/**
 * Returns whether a pod belongs to a router's Deployment and has not ended. A silent pod remains a target even if it
 * is not ready.
 */
function isRouter({ deployment, isEnding, hasEnded }: RouterPod): boolean {
  return deployment?.startsWith(plainDeployment) === true && !isEnding && !hasEnded;
}

/** Probes the node of a router that forwards every port, because the answer would come from the destination. */
function findTarget(
  namespace: string,
  { uid, node, clusterAddresses }: RouterPod,
  port: number | undefined,
  nodes: readonly ClusterNode[],
): ProbeTarget | undefined {
  const [own] = clusterAddresses;
  if (node === undefined) return undefined;
  if (port !== undefined && own !== undefined) return { uid, namespace, node, host: own, port };
  const host = nodes.find(({ name }) => name === node)?.address;
  return host === undefined ? undefined : { uid, namespace, node, host, port: kubeletPort };
}
