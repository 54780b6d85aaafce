import { keyOf } from '../api/object-meta.ts';
import { dateConditions, readConditions, saySame, writeTime } from '../cluster/conditions.ts';
import type { EventRecorder } from '../cluster/events.ts';
import type { KubeApi } from '../cluster/port.ts';
import { patchStatus } from '../cluster/status-patch.ts';
import type { DaemonLog } from '../daemon/log.ts';
import type { RouterCondition } from './conditions.ts';
import { pathOf, resources } from './resources.ts';
import { type Router, readRouter } from './router.ts';

/** With what statuses are written. */
export interface StatusParts {
  readonly api: KubeApi;
  readonly log: DaemonLog;
  readonly events: EventRecorder;
  /** Throws where this process may not write (any more). */
  readonly checkWriter: () => void;
  /** Hears of the object as it was written, before anything else happens. */
  readonly learn: (object: unknown) => void;
  readonly signal: AbortSignal;
}

/**
 * Writes the conditions of a router where they say something else than is written, and tells in an Event
 * where it begins or ceases to be degraded or available. Rejects with a KubeError.
 */
export async function writeRouterStatus(
  router: Router,
  drafts: readonly RouterCondition[],
  { api, log, events, checkWriter, learn, signal }: StatusParts,
): Promise<void> {
  const { namespace, name, uid } = router.meta;
  let before: unknown = router.conditions;
  const plan = (read: Router | undefined): Readonly<Record<string, unknown>> | undefined => {
    // Another one of the same name has a status of its own.
    if (read === undefined || read.meta.uid !== uid) return undefined;
    before = read.conditions;
    const conditions = dateConditions(drafts, before, writeTime(), router.generation);
    return saySame(conditions, before) ? undefined : { conditions };
  };
  const seen = { metadata: { resourceVersion: router.version } };
  const outcome = await patchStatus(api, seen, {
    path: pathOf(resources.routers, namespace, name),
    plan: (object) => plan(object === seen ? router : readRouter(object)),
    checkWriter,
    signal,
  });
  if (typeof outcome === 'string') return;
  // What others changed meanwhile must be met as news, with the watch's next event.
  if (readRouter(outcome.written)?.generation === router.generation) learn(outcome.written);
  const conditions = drafts.map(({ type, status, reason }) => `${type}=${status} ${reason}`);
  log.info({ router: keyOf(router.meta), conditions }, 'The status changed');
  const known = readConditions(before);
  for (const { type, status, reason, message } of drafts) {
    const old = known.find((one) => one.type === type);
    const isBad = type === 'Degraded' && status === 'True' && old?.reason !== reason;
    const isGood = type === 'Available' && status === 'True' && old?.status !== 'True';
    if (!isBad && !isGood) continue;
    const object = { apiVersion: 'network.operator.openshift.io/v1', kind: 'EgressRouter', namespace, name, uid };
    await events.tell(object, { type: isBad ? 'Warning' : 'Normal', reason, message }, signal);
  }
}
