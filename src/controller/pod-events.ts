import { isRecord } from '../api/shape.ts';
import type { KubeApi } from '../cluster/port.ts';
import { escapeUnprintable } from '../model/text.ts';
import { extractPluginWords } from './plugin-words.ts';

/** Why pods do not come up, as Kubernetes calls it in Events. */
const telling = new Set([
  'Unhealthy',
  'FailedCreatePodSandBox',
  'FailedScheduling',
  'Failed',
  'BackOff',
  'FailedMount',
]);

/** Events about a pod. Rejects with a KubeError. */
export async function listPodEvents(
  api: KubeApi,
  namespace: string,
  uid: string,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const query = { fieldSelector: `involvedObject.uid=${uid}`, limit: 100 };
  const list = await api.get(`/api/v1/namespaces/${namespace}/events`, query, signal);
  return isRecord(list) && Array.isArray(list.items) ? list.items : [];
}

/**
 * The newest of the Events that say why a pod does not come up: what the readiness probe finds, and
 * the plugin's own error, are told there and nowhere else.
 */
export function latestMessage(events: readonly unknown[]): string | undefined {
  let newest: { readonly time: string; readonly message: string } | undefined;
  for (const event of events) {
    if (!isRecord(event) || typeof event.message !== 'string' || typeof event.reason !== 'string') continue;
    if (!telling.has(event.reason)) continue;
    const time = [event.lastTimestamp, event.eventTime, event.firstTimestamp].find((one) => typeof one === 'string');
    const stamp = typeof time === 'string' ? time : '';
    if (newest === undefined || stamp >= newest.time) newest = { time: stamp, message: event.message };
  }
  return newest && extractPluginWords(newest.message);
}

/**
 * Why no pod of a Deployment may be made: a quota, or an admission plugin or webhook. Its ReplicaSet's controller
 * tells it there and in Events of the ReplicaSet.
 */
export function findRefusal(deployment: unknown): string | undefined {
  const status = isRecord(deployment) && isRecord(deployment.status) ? deployment.status : {};
  const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : [];
  const failure = conditions.find((one) => one.type === 'ReplicaFailure' && one.status === 'True');
  return typeof failure?.message === 'string' ? escapeUnprintable(failure.message) : undefined;
}
