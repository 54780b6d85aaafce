import type { Pending } from '../haproxy/report.ts';
import type { ServedRoute } from './served-route.ts';

const causes: Readonly<Record<Pending['cause'], string>> = {
  list: 'its allow-list is still being loaded into HAProxy',
  reload: 'the change needs a reload of HAProxy, which follows',
  budget:
    'the change needs a reload of HAProxy, and the namespace has used up its reloads; it is allowed another one within a minute',
};

/** The change of a Route that is not in force yet: of its backend, its certificate or its destination CA. */
export function findPending(
  { route, backend }: Pick<ServedRoute, 'route' | 'backend'>,
  pending: ReadonlyMap<string, Pending>,
): Pending | undefined {
  if (pending.size === 0) return undefined;
  return pending.get(backend.id) ?? pending.get(`${route.meta.namespace}:${route.meta.name}`);
}

/** What claims and statuses say of such a Route. */
export interface PendingWords {
  readonly admitted: boolean;
  readonly pending?: 'all' | 'change';
  readonly reason?: 'Pending';
  readonly message: string;
}

/** Describes a pending change. Only a Route that must wait for its namespace's budget is not admitted because of it: other changes follow at once. */
export function describePending({ isServed, cause }: Pending): PendingWords {
  if (isServed)
    return { admitted: true, pending: 'change', message: `the last change is not in force yet: ${causes[cause]}` };
  const message = `not served yet: ${causes[cause]}`;
  return cause === 'budget'
    ? { admitted: false, reason: 'Pending', message }
    : { admitted: true, pending: 'all', message };
}
