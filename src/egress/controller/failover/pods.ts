import { isRecord } from '../../../base/read/shape.ts';
import {
  appliedAnnotation,
  type LiveRefusal,
  namesAnnotation,
  readRefusal,
  refusedAnnotation,
} from '../../model/live-change.ts';
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
  /** Its Deployment, derived from the name of its ReplicaSet. */
  readonly deployment: string | undefined;
  readonly node: string | undefined;
  /** Our own, and those that the namespace and admission plugins added. */
  readonly tolerations: readonly Toleration[];
  /** The router of a pool that it belongs to. Undefined: created by a version without pools. */
  readonly member: string | undefined;
  /** The configuration that it was created with. */
  readonly configuration: string | undefined;
  /** The explicit rollout that it was created for. */
  readonly rollout: string | undefined;
  /** Image of its container. */
  readonly image: string | undefined;
  /** The applied configuration, as reported by its node daemon. */
  readonly applied: string | undefined;
  /** The configuration that its node daemon did not apply, with the reason. */
  readonly refused: LiveRefusal | undefined;
  /** Names of its router's destinations as its node daemon reports them, unparsed. */
  readonly nameReports?: string;
  /** Its addresses in the cluster. */
  readonly clusterAddresses: readonly string[];
  readonly isReady: boolean;
  /** Whether its containers were started, so that all its networks exist. */
  readonly isRunning: boolean;
  readonly isEnding: boolean;
  /** All its containers and its network namespace have ended. */
  readonly hasEnded: boolean;
  /** The scheduler found no node for it. */
  readonly isUnschedulable: boolean;
  /** Why its container is not running, with Kubernetes' reason: `ImagePullBackOff: …`. */
  readonly trouble: string | undefined;
  /** Whether Multus annotated the pod, which it does before the pod runs. */
  readonly hasNetworkStatus: boolean;
  /** Addresses of `net1` in Multus's network-status. Undefined if there is no such interface. */
  readonly egressAddresses: readonly string[] | undefined;
}

/** In a pod: the interfaces that Multus added, in JSON. */
const networkStatusAnnotation = 'k8s.v1.cni.cncf.io/network-status';

/** Parses a pod. Returns undefined if it is invalid. */
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
  const nameReports = text(annotations[namesAnnotation]);
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
    ...(nameReports !== undefined && { nameReports }),
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

/** The name of a ReplicaSet is that of its Deployment followed by a hash of the template. */
function readDeployment(pod: unknown): string | undefined {
  const name = controllerKindOf(pod) === 'ReplicaSet' ? controllerNameOf(pod) : undefined;
  return name?.slice(0, Math.max(0, name.lastIndexOf('-')));
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A router's pod has one container of this project. Admission plugins may append others. */
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

/** Returns the definition of the pod's only additional interface. */
function readNetworkName(text: unknown): string | undefined {
  try {
    const [network] = typeof text === 'string' ? JSON.parse(text) : [];
    return isRecord(network) && typeof network.name === 'string' ? network.name : undefined;
  } catch {
    // Another program wrote it in Multus's short form.
    return undefined;
  }
}

/**
 * Returns the addresses of an interface in Multus's network-status (Kubernetes Network Custom Resource Definition
 * standard).
 */
function readNetworkStatus(text: unknown, definition: string): readonly string[] | undefined {
  let networks: unknown;
  try {
    networks = typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    // Not written yet, or not by Multus.
  }
  const ours = (Array.isArray(networks) ? networks : []).find(
    (one: unknown) => isRecord(one) && one.name === definition && one.interface === egressInterface,
  );
  if (!isRecord(ours)) return undefined;
  return Array.isArray(ours.ips) ? ours.ips.filter((ip): ip is string => typeof ip === 'string') : [];
}
