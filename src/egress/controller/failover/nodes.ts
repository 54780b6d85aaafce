import { isRecord } from '../../../base/read/shape.ts';

/** A taint of a node, or what a pod says of one. */
interface Taint {
  readonly key: unknown;
  readonly value: unknown;
  readonly effect: unknown;
}

/** A toleration of a pod (core/v1), as it is written. */
export type Toleration = Readonly<Record<string, unknown>>;

/** A node, as far as routers are placed by it. */
export interface ClusterNode {
  readonly name: string;
  /** By its kubelet's word, which is old for 40 s after a death. */
  readonly isReady: boolean;
  /** Cordoned, or about to be removed. */
  readonly isLeft: boolean;
  /** Those that keep pods away which do not tolerate them, as nodes of a control plane have. */
  readonly taints: readonly Taint[];
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

/** Effects of taints that keep a pod away which does not tolerate them. */
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
    taints: taints
      .filter(({ effect }) => closing.has(String(effect)))
      .map(({ key, value, effect }) => ({ key, value: value ?? '', effect })),
    labels: isRecord(input.metadata.labels) ? input.metadata.labels : {},
    address: typeof own === 'string' ? own : undefined,
  };
}

/**
 * Whether a router could run on another node than those that it is to leave.
 *
 * @param tolerations of its pod, ours and what the cluster gave it
 */
export function hasRefuge(
  nodes: readonly ClusterNode[],
  left: ReadonlySet<string>,
  selector: Readonly<Record<string, string>>,
  tolerations: readonly Toleration[],
): boolean {
  return nodes.some(
    ({ name, isReady, isLeft, taints, labels }) =>
      isReady &&
      !isLeft &&
      !left.has(name) &&
      taints.every((taint) => tolerations.some((one) => tolerates(one, taint))) &&
      Object.entries(selector).every(([key, value]) => labels[key] === value),
  );
}

/** core/v1, Toleration: without key all taints, without effect all effects, "Equal" unless it says "Exists". */
function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if ((key ?? '') !== '' && key !== taint.key) return false;
  if ((effect ?? '') !== '' && effect !== taint.effect) return false;
  return operator === 'Exists' || (value ?? '') === taint.value;
}
