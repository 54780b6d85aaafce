import type { KubeApi } from './cluster-api.ts';
import { Limit } from './limit.ts';

/** Whether this process may write: one of several does, such as the holder of a Lease. */
export interface Leadership {
  readonly isHeld: boolean;
}

/** Thrown when another process has become the writer, which will do the remaining work. */
export class LeadershipLost extends Error {}

/** Throws {@link LeadershipLost} if this process may not write or no longer may. */
export function checkLeadership({ isHeld }: Leadership): void {
  if (!isHeld) throw new LeadershipLost('another process is the leader');
}

/** A Leadership that ends by itself. */
export interface TimedLeadership extends Leadership {
  /** Milliseconds for which this process may still write; negative when it may not. */
  readonly remaining: number;
}

/**
 * Returns an API that writes only for the leader: a write starts while the leadership is held, and is aborted when
 * it ends, so that no request of an old leader waits for a connection or an answer while a new one acts. Writes
 * reject with {@link LeadershipLost} where they may not start.
 */
export function fenceWrites(api: KubeApi, leadership: TimedLeadership): KubeApi {
  const write = async (send: (signal: AbortSignal) => Promise<unknown>, signal?: AbortSignal): Promise<unknown> => {
    checkLeadership(leadership);
    const limit = new Limit(undefined, signal);
    let timer: NodeJS.Timeout | undefined;
    // An admission webhook may take longer than a term. The write continues while the term is renewed.
    const look = (): void => {
      if (leadership.remaining > 0) timer = setTimeout(look, leadership.remaining);
      else limit.extend(0);
    };
    look();
    try {
      return await send(limit.signal);
    } finally {
      clearTimeout(timer);
      limit.close();
    }
  };
  return {
    get: (path, query, signal, longest) => api.get(path, query, signal, longest),
    watch: (path, query, onEvent, signal) => api.watch(path, query, onEvent, signal),
    create: (path, object, signal) => write((limit) => api.create(path, object, limit), signal),
    replace: (path, object, signal) => write((limit) => api.replace(path, object, limit), signal),
    mergePatch: (path, patch, signal) => write((limit) => api.mergePatch(path, patch, limit), signal),
    strategicPatch: (path, patch, signal) => write((limit) => api.strategicPatch(path, patch, limit), signal),
    apply: (path, object, manager, signal) => write((limit) => api.apply(path, object, manager, limit), signal),
    remove: (path, options, signal) => write((limit) => api.remove(path, options, limit), signal),
  };
}
