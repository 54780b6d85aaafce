import { LRUCache } from 'lru-cache';
import type { KubeApi } from '../../../base/kubernetes/cluster-api.ts';
import { Limit } from '../../../base/kubernetes/limit.ts';
import { escapeUnprintable } from '../../../base/model/text.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { extractPluginWords } from './plugin-words.ts';

/** Reasons of Events for pods that do not start. */
const telling = new Set([
  'Unhealthy',
  'FailedCreatePodSandBox',
  'FailedScheduling',
  'Failed',
  'BackOff',
  'FailedMount',
]);

/** Milliseconds to wait for Events, so that no router waits for the Events of another. */
const patience = 1000;

/** Milliseconds for which a slow server is not asked again. */
const rest = 10_000;

/** Maximum number of pods with cached messages. */
const mostRemembered = 1000;

/** Fetches Events of pods that do not start. Events may have a separate store, which may be unavailable. */
export class PodEvents {
  readonly #api: KubeApi;
  /** By UID. Empty: there is none. */
  readonly #known = new LRUCache<string, string>({ max: mostRemembered });
  #restsUntil = 0;

  constructor(api: KubeApi) {
    this.#api = api;
  }

  /** Resolves to the newest message about a pod, or to the previous one if Events are unavailable. Never rejects. */
  async latest(namespace: string, uid: string, signal: AbortSignal): Promise<string | undefined> {
    if (performance.now() < this.#restsUntil) return this.#known.get(uid) || undefined;
    const limit = new Limit(patience, signal);
    try {
      const query = { fieldSelector: `involvedObject.uid=${uid}`, limit: 100 };
      const path = `/api/v1/namespaces/${namespace}/events`;
      const list = await this.#api.get(path, query, limit.signal);
      this.#known.set(uid, latestMessage(isRecord(list) && Array.isArray(list.items) ? list.items : []) ?? '');
    } catch {
      if (limit.isTimeout) this.#restsUntil = performance.now() + rest;
    } finally {
      limit.close();
    }
    return this.#known.get(uid) || undefined;
  }
}

/**
 * Returns the newest Event that explains why a pod does not start. The findings of the readiness probe and the
 * plugin's errors exist only in Events.
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
 * Returns why no pod of a Deployment can be created: a quota, or an admission plugin or webhook. The ReplicaSet
 * controller reports it in the Deployment and in Events of the ReplicaSet.
 */
export function findRefusal(deployment: unknown): string | undefined {
  const status = isRecord(deployment) && isRecord(deployment.status) ? deployment.status : {};
  const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : [];
  const failure = conditions.find((one) => one.type === 'ReplicaFailure' && one.status === 'True');
  return typeof failure?.message === 'string' ? escapeUnprintable(failure.message) : undefined;
}
