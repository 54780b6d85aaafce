import { isDeepStrictEqual } from 'node:util';
import { LRUCache } from 'lru-cache';
import type { DaemonLog } from '../../../base/daemon/log.ts';
import type { KubeApi } from '../../../base/kubernetes/cluster-api.ts';
import { mergeConditions, readRecords, saySame, writeTime } from '../../../base/kubernetes/conditions.ts';
import type { EventRecorder } from '../../../base/kubernetes/events.ts';
import type { Leadership } from '../../../base/kubernetes/leadership.ts';
import { patchStatus } from '../../../base/kubernetes/status-patch.ts';
import { keyOf } from '../../../base/read/object-meta.ts';
import { pathOf, resources } from '../objects/resources.ts';
import { objectOf, type Router, readRouter } from '../objects/router.ts';
import type { RouterCondition } from './conditions.ts';
import type { RouterSummary } from './router-status.ts';

/** Dependencies of the status writer. */
export interface StatusParts {
  readonly api: KubeApi;
  readonly log: DaemonLog;
  readonly events: EventRecorder;
  readonly leadership: Leadership;
  /** Called before a request; the returned function receives the written object. */
  readonly expect: (namespace: string, name: string) => (answer: unknown) => void;
  readonly signal: AbortSignal;
}

/** Maximum number of statuses whose stored form is cached. */
const mostRemembered = 10_000;

/** Milliseconds after which dropped fields are written again: the definition may have been updated meanwhile. */
const longestDrop = 10 * 60_000;

interface StoredSummary {
  readonly sent: RouterSummary;
  readonly kept: unknown;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/** Writes statuses of routers. */
export class RouterStatusWriter {
  readonly #parts: StatusParts;
  readonly #now: () => number;
  /** Until when the cluster's definition of EgressRouter, which may be OpenShift's, counts as one with only conditions. */
  #droppedUntil = Number.NEGATIVE_INFINITY;
  /** Summaries as sent and as stored, by UID: an older definition of EgressRouter drops newer fields. */
  readonly #stored = new LRUCache<string, StoredSummary>({ max: mostRemembered });

  /** @param now monotonic milliseconds */
  constructor(parts: StatusParts, now: () => number = () => performance.now()) {
    this.#parts = parts;
    this.#now = now;
  }

  get #keepsSummary(): boolean {
    return this.#now() >= this.#droppedUntil;
  }

  /**
   * Writes the status of a router if it has changed, and records an Event when the router becomes degraded or
   * available, or ceases to be. Rejects with a KubeError.
   */
  async write(router: Router, drafts: readonly RouterCondition[], summary: RouterSummary): Promise<void> {
    const { api, log, leadership, expect, signal } = this.#parts;
    const { namespace, name, uid } = router.meta;
    const learn = expect(namespace, name);
    let before: unknown = router.conditions;
    const plan = (read: Router | undefined): Readonly<Record<string, unknown>> | undefined => {
      if (read === undefined) return undefined;
      before = read.conditions;
      const conditions = mergeConditions(drafts, before, { now: writeTime(), generation: router.generation });
      const isSame = saySame(conditions, before) && (!this.#keepsSummary || this.#isCurrent(uid, summary, read.status));
      return isSame ? undefined : this.#compose(conditions, summary, read.status);
    };
    const seen = { metadata: { uid, resourceVersion: router.version } };
    const outcome = await patchStatus(api, seen, {
      path: pathOf(resources.routers, namespace, name),
      plan: (object) => plan(object === seen ? router : readRouter(object)),
      leadership,
      signal,
    });
    if (typeof outcome === 'string') return;
    const written = readRouter(outcome.written);
    this.#droppedUntil = written?.status.routers === undefined ? this.#now() + longestDrop : Number.NEGATIVE_INFINITY;
    const at = this.#now();
    this.#stored.set(uid, { sent: summary, kept: summaryOf(written?.status ?? {}), at });
    // Changes by others must be processed with the watch's next event.
    if (written?.generation === router.generation) learn(outcome.written);
    const conditions = drafts.map(({ type, status, reason }) => `${type}=${status} ${reason}`);
    log.info({ router: keyOf(router.meta), conditions }, 'The status changed');
    this.#tellChanges(router, drafts, before);
  }

  #compose(
    conditions: readonly unknown[],
    summary: RouterSummary,
    before: Readonly<Record<string, unknown>>,
  ): Readonly<Record<string, unknown>> {
    if (!this.#keepsSummary) return { conditions };
    // A merge patch keeps fields that it does not name.
    const gone = Object.keys(before).filter((key) => key !== 'conditions' && !Object.hasOwn(summary, key));
    return { ...Object.fromEntries(gone.map((key) => [key, null])), conditions, ...summary };
  }

  #isCurrent(uid: string, summary: RouterSummary, status: Readonly<Record<string, unknown>>): boolean {
    const written = summaryOf(status);
    if (isDeepStrictEqual(summary, written)) return true;
    const stored = this.#stored.get(uid);
    if (stored === undefined || this.#now() >= stored.at + longestDrop) return false;
    return isDeepStrictEqual([stored.sent, stored.kept], [summary, written]);
  }

  #tellChanges(router: Router, drafts: readonly RouterCondition[], before: unknown): void {
    const { events, signal } = this.#parts;
    const known = readRecords(before);
    for (const { type, status, reason, message } of drafts) {
      const old = known.find((one) => one.type === type);
      const isBad = type === 'Degraded' && status === 'True' && old?.reason !== reason;
      const isGood = type === 'Available' && status === 'True' && old?.status !== 'True';
      if (!isBad && !isGood) continue;
      // The status does not wait for the Event.
      void events.tell(objectOf(router), { type: isBad ? 'Warning' : 'Normal', reason, message }, signal);
    }
  }
}

function summaryOf({ conditions: _conditions, ...summary }: Readonly<Record<string, unknown>>): object {
  return summary;
}
