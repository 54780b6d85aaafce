import type { ApplyOutcome } from '../haproxy/report.ts';
import type { Pending } from '../intent/plane.ts';
import type { ServedRoute } from './served-route.ts';

/** What is known of HAProxy when verdicts are computed. */
export interface HaproxyView {
  /** HAProxy does not serve: true while it starts or restarts, a problem in words after a while. */
  readonly down?: string | true | undefined;
  /** Why the last state could not be applied, in words. */
  readonly failure?: string | undefined;
  readonly outcome: Pick<ApplyOutcome, 'waiting'>;
  /** Whether HAProxy serves a backend, as it is or as it was, by its ID. */
  readonly serves: (backend: string) => boolean;
  /** Backends of the last state that was applied. */
  readonly applied: ReadonlyMap<string, object>;
}

/** Returns what of a Route HAProxy has not applied. */
export function findPending(view: HaproxyView): (route: ServedRoute) => Pending | undefined {
  const { down, failure, outcome, serves, applied } = view;
  if (down !== undefined) {
    const pending: Pending = { what: 'all', ...(typeof down === 'string' && { problem: down }) };
    return () => pending;
  }
  const describe = ({ backend }: ServedRoute): Pending => ({
    what: serves(backend.id) ? 'change' : 'all',
    ...(failure !== undefined && { problem: failure }),
  });
  if (failure !== undefined) return (one) => (applied.get(one.backend.id) === one.backend ? undefined : describe(one));
  if (outcome.waiting.size === 0) return () => undefined;
  const refused = outcome.waiting.get('refused') ?? [];
  const waiting = new Set([...outcome.waiting].flatMap(([cause, names]) => (cause === 'refused' ? [] : names)));
  return (one) => {
    const { route, backend, authority } = one;
    const names = [backend.id, `${route.meta.namespace}:${route.meta.name}`, ...(authority ?? []).slice(0, 1)];
    // Rejected commands name what they were about.
    const isWaiting = names.some((name) => waiting.has(name) || refused.some((text) => text.includes(name)));
    return isWaiting ? describe(one) : undefined;
  };
}
