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

/** What is said of such a Route. It is admitted only while a previous state of it is served. */
export function describePending(pending: Pending): {
  readonly admitted: boolean;
  readonly reason?: 'Pending';
  readonly message: string;
};
export function describePending(pending: Pending | undefined): object;
export function describePending(pending: Pending | undefined): object {
  if (pending === undefined) return {};
  const { isServed, cause } = pending;
  return isServed
    ? { admitted: true, message: `the last change is not in force yet: ${causes[cause]}` }
    : { admitted: false, reason: 'Pending', message: `not served yet: ${causes[cause]}` };
}
