import type { Pending } from '../haproxy/report.ts';
import { notApplied, type Verdict } from '../intent/plane.ts';
import type { ListenerVerdict } from './gateway-plan.ts';
import type { ServedSite } from './served-site.ts';

const causes: Readonly<Record<Pending['cause'], string>> = {
  list: 'its allow-list is still being loaded into HAProxy',
  reload: 'the change needs a reload of HAProxy, which follows',
  budget:
    'the change needs a reload of HAProxy, but the namespace has used up its reloads; it gets another one within a minute',
};

/**
 * Returns a pending change of a request's backends, certificate or CA certificates, or undefined if there is none.
 *
 * @param clients names of the authorities of its clients
 */
export function findPending(
  { request, backends, authorities }: ServedSite,
  pending: ReadonlyMap<string, Pending>,
  clients: readonly string[] = [],
): Pending | undefined {
  if (pending.size === 0) return undefined;
  return findOne([...backends.map(({ id }) => id), request.owner.label, ...authorities.keys(), ...clients], pending);
}

function findOne(names: readonly string[], pending: ReadonlyMap<string, Pending>): Pending | undefined {
  return names.map((name) => pending.get(name)).find((one) => one !== undefined);
}

/** Returns the part of a verdict about the pending certificates or client authorities of a listener. */
export function describePendingListener(
  { needs = [] }: ListenerVerdict,
  pending: ReadonlyMap<string, Pending>,
): Pick<Verdict, 'pending' | 'reason' | 'message'> | undefined {
  if (pending.size === 0) return undefined;
  const found = findOne(needs, pending);
  if (found === undefined) return undefined;
  if (found.cause !== 'budget') return { pending: { what: 'all' } };
  return { reason: notApplied, message: `a certificate is not in force yet: ${causes.budget}` };
}

/** Representation of a pending change in claims and statuses. */
export interface PendingWords {
  readonly admitted: boolean;
  readonly pending?: 'all' | 'change';
  readonly reason?: 'Pending';
  readonly message: string;
}

/**
 * Describes a pending change. A request that is not served yet is admitted unless it waits for the reload budget of its
 * namespace, because all other changes are applied shortly.
 */
export function describePending({ isServed, cause }: Pending): PendingWords {
  if (isServed)
    return { admitted: true, pending: 'change', message: `the last change is not in force yet: ${causes[cause]}` };
  const message = `not served yet: ${causes[cause]}`;
  return cause === 'budget'
    ? { admitted: false, reason: 'Pending', message }
    : { admitted: true, pending: 'all', message };
}
