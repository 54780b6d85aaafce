import { isRecord } from '../../../base/read/shape.ts';
import { appliedAnnotation, type LiveRefusal, readRefusal, refusedAnnotation } from '../../model/live-change.ts';
import {
  configurationAnnotation,
  egressInterface,
  networksAnnotation,
  rolloutAnnotation,
} from '../objects/configuration.ts';
import { controllerKindOf, controllerNameOf } from '../objects/coverage.ts';
import { memberLabel } from '../objects/names.ts';
import type { Toleration } from './nodes.ts';

/** A router's pod, with the fields that the router's status shows. */
export interface RouterPod {
  readonly name: string;
  readonly uid: string;
  /** The Deployment that made it, by the name of its ReplicaSet. */
  readonly deployment: string | undefined;
  readonly node: string | undefined;
  /** Ours, and what namespace and admission plugins gave it. */
  readonly tolerations: readonly Toleration[];
  /** Which router of a pool it is; undefined: created by a version without pools. */
  readonly member: string | undefined;
  /** Of which configuration it was made. */
  readonly configuration: string | undefined;
  /** The explicit rollout for which it was made. */
  readonly rollout: string | undefined;
  /** Image of its container. */
  readonly image: string | undefined;
  /** Which is in force, by the word of its node's daemon. */
  readonly applied: string | undefined;
  /** What its node's daemon did not apply, and why. */
  readonly refused: LiveRefusal | undefined;
  /** Its addresses in the cluster. */
  readonly clusterAddresses: readonly string[];
  readonly isReady: boolean;
  /** Its containers were started, so all its networks were made. */
  readonly isRunning: boolean;
  readonly isEnding: boolean;
  /** All its containers ended, and its namespace with them. */
  readonly hasEnded: boolean;
  /** No node may have it, by the scheduler's word. */
  readonly isUnschedulable: boolean;
  /** Why its container does not run, in Kubernetes' words: `ImagePullBackOff: …`. */
  readonly trouble: string | undefined;
  /** Whether Multus wrote anything about the pod's networks, which it does before the pod runs. */
  readonly hasNetworkStatus: boolean;
  /** Addresses of `net1` by Multus's network-status; undefined where there is no such interface. */
  readonly egressAddresses: readonly string[] | undefined;
}

/** Of a pod: the interfaces that Multus added, in JSON. */
const networkStatusAnnotation = 'k8s.v1.cni.cncf.io/network-status';

/** Reads a pod; undefined for what is none. */
export function readRouterPod(input: unknown): RouterPod | undefined {
  if (!isRecord(input) || !isRecord(input.metadata)) return undefined;
  const { namespace, name, uid, deletionTimestamp } = input.metadata;
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof uid !== 'string') return undefined;
  const annotations = isRecord(input.metadata.annotations) ? input.metadata.annotations : {};
  const status = isRecord(input.status) ? input.status : {};
  const spec = isRecord(input.spec) ? input.spec : {};
  const labels = isRecord(input.metadata.labels) ? input.metadata.labels : {};
  const ips = Array.isArray(status.podIPs) ? status.podIPs.filter(isRecord) : [];
  const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : [];
  return {
    name,
    uid,
    deployment: readDeployment(input),
    node: text(spec.nodeName),
    tolerations: Array.isArray(spec.tolerations) ? spec.tolerations.filter(isRecord) : [],
    member: text(labels[memberLabel]),
    configuration: text(annotations[configurationAnnotation]),
    rollout: text(annotations[rolloutAnnotation]),
    image: readImage(spec.containers),
    applied: text(annotations[appliedAnnotation]),
    refused: readRefusal(annotations[refusedAnnotation]),
    clusterAddresses: ips.flatMap(({ ip }) => text(ip) ?? []),
    isReady: conditions.some((one) => one.type === 'Ready' && one.status === 'True'),
    isRunning: status.phase === 'Running',
    isEnding: (deletionTimestamp ?? undefined) !== undefined,
    hasEnded: status.phase === 'Succeeded' || status.phase === 'Failed',
    isUnschedulable: conditions.some((one) => one.type === 'PodScheduled' && one.reason === 'Unschedulable'),
    trouble: readTrouble(status.containerStatuses),
    hasNetworkStatus: annotations[networkStatusAnnotation] !== undefined,
    egressAddresses: readNetworkStatus(
      annotations[networkStatusAnnotation],
      `${namespace}/${readNetworkName(annotations[networksAnnotation])}`,
    ),
  };
}

/** ReplicaSets are called as their Deployment, with a hash of the template behind it. */
function readDeployment(pod: unknown): string | undefined {
  const name = controllerKindOf(pod) === 'ReplicaSet' ? controllerNameOf(pod) : undefined;
  return name?.slice(0, Math.max(0, name.lastIndexOf('-')));
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A router's pod has one container of ours; admission plugins may add others behind it. */
function readImage(containers: unknown): string | undefined {
  const [own] = Array.isArray(containers) ? containers.filter(isRecord) : [];
  return text(own?.image);
}

function readTrouble(statuses: unknown): string | undefined {
  for (const status of Array.isArray(statuses) ? statuses.filter(isRecord) : []) {
    const state = isRecord(status.state) ? status.state : {};
    for (const part of [state.waiting, state.terminated]) {
      if (!isRecord(part) || typeof part.reason !== 'string' || part.reason === 'ContainerCreating') continue;
      return typeof part.message === 'string' ? `${part.reason}: ${part.message}` : part.reason;
    }
  }
  return undefined;
}

/** Which definition the pod's one further interface is made of. */
function readNetworkName(text: unknown): string | undefined {
  try {
    const [network] = typeof text === 'string' ? JSON.parse(text) : [];
    return isRecord(network) && typeof network.name === 'string' ? network.name : undefined;
  } catch {
    // Written by another program, in Multus's short form.
    return undefined;
  }
}

/** What Multus says of the interfaces that it had made (Kubernetes Network Custom Resource Definition standard). */
function readNetworkStatus(text: unknown, definition: string): readonly string[] | undefined {
  let networks: unknown;
  try {
    networks = typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    // Not yet written, or not by Multus.
  }
  const ours = (Array.isArray(networks) ? networks : []).find(
    (one: unknown) => isRecord(one) && one.name === definition && one.interface === egressInterface,
  );
  if (!isRecord(ours)) return undefined;
  return Array.isArray(ours.ips) ? ours.ips.filter((ip): ip is string => typeof ip === 'string') : [];
}
