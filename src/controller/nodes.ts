import { isRecord } from '../api/shape.ts';

/** A node, as far as routers are placed by it. */
export interface ClusterNode {
  readonly name: string;
  /** By its kubelet's word, which is old for 40 s after a death. */
  readonly isReady: boolean;
  /** Cordoned, or about to be removed. */
  readonly isLeft: boolean;
  /** It has no taint that keeps a router's pod away, as nodes of a control plane have. */
  readonly isOpen: boolean;
  readonly labels: Readonly<Record<string, unknown>>;
  /** Its own address in the cluster. */
  readonly address: string | undefined;
}

/** Taints by which autoscalers say that a node is about to go. */
const departures = new Set([
  'node.kubernetes.io/unschedulable',
  'ToBeDeletedByClusterAutoscaler',
  'karpenter.sh/disrupted',
]);

/** Effects of taints that keep a pod away which does not tolerate them. Routers tolerate failures alone, for a while. */
const closing = new Set(['NoSchedule', 'NoExecute']);

/** Reads a node; undefined for what is none. */
export function readNode(input: unknown): ClusterNode | undefined {
  if (!isRecord(input) || !isRecord(input.metadata) || typeof input.metadata.name !== 'string') return undefined;
  const spec = isRecord(input.spec) ? input.spec : {};
  const status = isRecord(input.status) ? input.status : {};
  const taints = Array.isArray(spec.taints) ? spec.taints.filter(isRecord) : [];
  const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : [];
  const addresses = Array.isArray(status.addresses) ? status.addresses.filter(isRecord) : [];
  const own = addresses.find(({ type }) => type === 'InternalIP')?.address;
  return {
    name: input.metadata.name,
    isReady: conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    isLeft: spec.unschedulable === true || taints.some(({ key }) => departures.has(String(key))),
    isOpen: !taints.some(({ effect }) => closing.has(String(effect))),
    labels: isRecord(input.metadata.labels) ? input.metadata.labels : {},
    address: typeof own === 'string' ? own : undefined,
  };
}

/** Whether a router could run on another node than those that it is to leave. */
export function hasRefuge(
  nodes: readonly ClusterNode[],
  left: ReadonlySet<string>,
  selector: Readonly<Record<string, string>>,
): boolean {
  return nodes.some(
    ({ name, isReady, isLeft, isOpen, labels }) =>
      isReady &&
      !isLeft &&
      isOpen &&
      !left.has(name) &&
      Object.entries(selector).every(([key, value]) => labels[key] === value),
  );
}
