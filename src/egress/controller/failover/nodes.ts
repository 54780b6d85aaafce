import { isRecord } from '../../../base/read/shape.ts';

/** A taint of a node, or a part of a toleration. */
interface Taint {
  readonly key: unknown;
  readonly value: unknown;
  readonly effect: unknown;
}

/** A toleration of a pod (core/v1), as received. */
export type Toleration = Readonly<Record<string, unknown>>;

/** The parts of a node that the placement of routers depends on. */
export interface ClusterNode {
  readonly name: string;
  /** As reported by its kubelet; outdated for 40 s after a death. */
  readonly isReady: boolean;
  /** Cordoned, or about to be removed. */
  readonly isLeft: boolean;
  /** Taints that keep pods away unless they tolerate them, as on control plane nodes. */
  readonly taints: readonly Taint[];
  readonly labels: Readonly<Record<string, unknown>>;
  /** Its own address in the cluster. */
  readonly address: string | undefined;
}

/** Taints with which autoscalers announce the removal of a node. */
const departures = new Set([
  'node.kubernetes.io/unschedulable',
  'ToBeDeletedByClusterAutoscaler',
  'karpenter.sh/disrupted',
]);

/** Effects of taints that keep pods away unless they tolerate them. */
const closing = new Set(['NoSchedule', 'NoExecute']);

/** Parses a node. Returns undefined if it is invalid. */
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
 * Returns whether a router could run on a node other than those that it must leave.
 *
 * @param tolerations of its pod, including those added by the cluster
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

/**
 * Implements core/v1 Toleration: without key all taints, without effect all effects, "Equal" unless the operator is
 * "Exists".
 */
function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if ((key ?? '') !== '' && key !== taint.key) return false;
  if ((effect ?? '') !== '' && effect !== taint.effect) return false;
  return operator === 'Exists' || (value ?? '') === taint.value;
}
