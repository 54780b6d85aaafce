import { isRecord } from '../api/shape.ts';
import { configurationAnnotation, egressInterface } from './objects.ts';

/** A router's pod, as far as its router's status tells of it. */
export interface RouterPod {
  readonly name: string;
  readonly uid: string;
  readonly node: string | undefined;
  /** Of which configuration it was made. */
  readonly configuration: string | undefined;
  readonly isReady: boolean;
  readonly isEnding: boolean;
  /** Why its container does not run, in Kubernetes' words: `ImagePullBackOff: …`. */
  readonly trouble: string | undefined;
  /** Addresses of `net1` by Multus's network-status; undefined where there is no such interface. */
  readonly egressAddresses: readonly string[] | undefined;
}

/** Reads a pod; undefined for what is none. `definition` is the network's name, `NAMESPACE/NAME`. */
export function readRouterPod(input: unknown, definition: string): RouterPod | undefined {
  if (!isRecord(input) || !isRecord(input.metadata)) return undefined;
  const { name, uid, deletionTimestamp } = input.metadata;
  if (typeof name !== 'string' || typeof uid !== 'string') return undefined;
  const annotations = isRecord(input.metadata.annotations) ? input.metadata.annotations : {};
  const status = isRecord(input.status) ? input.status : {};
  const spec = isRecord(input.spec) ? input.spec : {};
  const configuration = annotations[configurationAnnotation];
  const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : [];
  return {
    name,
    uid,
    node: typeof spec.nodeName === 'string' ? spec.nodeName : undefined,
    configuration: typeof configuration === 'string' ? configuration : undefined,
    isReady: conditions.some((one) => one.type === 'Ready' && one.status === 'True'),
    isEnding: (deletionTimestamp ?? undefined) !== undefined,
    trouble: readTrouble(status.containerStatuses),
    egressAddresses: readNetworkStatus(annotations['k8s.v1.cni.cncf.io/network-status'], definition),
  };
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
