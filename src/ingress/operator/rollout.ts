import { isRecord } from '../../base/read/shape.ts';
import { textOf } from './json.ts';

/** State of a Deployment or DaemonSet in a common form. */
export interface Rollout {
  readonly kind: 'Deployment' | 'DaemonSet';
  /** Numbers of pods: desired, existing, with the newest template, and available. */
  readonly wanted: number;
  readonly present: number;
  readonly updated: number;
  readonly available: number;
  /** How many pods may be unavailable. */
  readonly maxUnavailable: number;
  /** Whether the cluster's controller has seen the newest spec. */
  readonly isObserved: boolean;
  /** Whether the newest template was rolled out completely once. */
  readonly wasCompleted: boolean;
  /** The workload's own condition, if it has one. */
  readonly availability:
    | { readonly status: 'True' | 'False'; readonly reason: string; readonly message: string }
    | undefined;
  /** Why no pod can be created, if the cluster reports it. */
  readonly refusal: string | undefined;
}

/** Reads a workload. Undefined if it does not exist. */
export function readRollout(kind: Rollout['kind'], object: unknown): Rollout | undefined {
  if (!isRecord(object)) return undefined;
  const spec = isRecord(object.spec) ? object.spec : {};
  const status = isRecord(object.status) ? object.status : {};
  const generation = isRecord(object.metadata) ? object.metadata.generation : undefined;
  const isObserved = numberOf(status.observedGeneration) === numberOf(generation);
  return kind === 'Deployment' ? readDeployment(spec, status, isObserved) : readDaemonSet(spec, status, isObserved);
}

type Json = Readonly<Record<string, unknown>>;

function readDeployment(spec: Json, status: Json, isObserved: boolean): Rollout {
  const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : [];
  const wanted = typeof spec.replicas === 'number' ? spec.replicas : 1;
  const strategy = isRecord(spec.strategy) && isRecord(spec.strategy.rollingUpdate) ? spec.strategy.rollingUpdate : {};
  const available = conditions.find(({ type }) => type === 'Available');
  const refusal = conditions.find(({ type, status: is }) => type === 'ReplicaFailure' && is === 'True')?.message;
  const surge = countShare(strategy.maxSurge ?? '25%', wanted, Math.ceil);
  const unavailable = countShare(strategy.maxUnavailable ?? '25%', wanted, Math.floor);
  return {
    kind: 'Deployment',
    wanted,
    present: numberOf(status.replicas),
    updated: numberOf(status.updatedReplicas),
    available: numberOf(status.availableReplicas),
    // Kubernetes does the same; otherwise no rollout could begin.
    maxUnavailable: surge === 0 && unavailable === 0 ? 1 : unavailable,
    isObserved,
    wasCompleted: conditions.some(
      ({ type, status: is, reason }) => type === 'Progressing' && is === 'True' && reason === 'NewReplicaSetAvailable',
    ),
    availability:
      available?.status === 'True' || available?.status === 'False'
        ? { status: available.status, reason: textOf(available.reason), message: textOf(available.message) }
        : undefined,
    refusal: typeof refusal === 'string' ? refusal : undefined,
  };
}

/** A DaemonSet has no conditions: it is available if at most `maxUnavailable` pods are missing. */
function readDaemonSet(spec: Json, status: Json, isObserved: boolean): Rollout {
  const wanted = numberOf(status.desiredNumberScheduled);
  const available = numberOf(status.numberAvailable);
  const updated = numberOf(status.updatedNumberScheduled);
  const strategy =
    isRecord(spec.updateStrategy) && isRecord(spec.updateStrategy.rollingUpdate)
      ? spec.updateStrategy.rollingUpdate
      : {};
  const maxUnavailable = Math.max(1, countShare(strategy.maxUnavailable ?? 1, wanted, Math.ceil));
  const isEnough = wanted > 0 && available >= Math.max(1, wanted - maxUnavailable);
  return {
    kind: 'DaemonSet',
    wanted,
    present: numberOf(status.currentNumberScheduled),
    updated,
    available,
    maxUnavailable,
    isObserved,
    wasCompleted: isObserved && updated === wanted,
    availability: isObserved
      ? {
          status: isEnough ? 'True' : 'False',
          reason: isEnough ? 'MinimumPodsAvailable' : 'MinimumPodsUnavailable',
          message: wanted === 0 ? 'no node matches the placement' : `${available}/${wanted} pods are available`,
        }
      : undefined,
    refusal: undefined,
  };
}

/** Whether every pod has the newest template and no old pod is left. */
export function isComplete({ isObserved, present, updated }: Rollout): boolean {
  return isObserved && present === updated;
}

function countShare(value: unknown, of: number, round: (share: number) => number): number {
  if (typeof value === 'number') return value;
  const percent = /^(\d{1,3})%$/.exec(textOf(value))?.[1];
  return percent === undefined ? 0 : round((Number(percent) * of) / 100);
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
