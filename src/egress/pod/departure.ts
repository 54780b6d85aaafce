import type { LinkView } from '../../base/model/observed.ts';

/**
 * Milliseconds that a terminated router waits for its successor. Shorter than the grace period of the pod, after which
 * the kubelet kills it.
 */
const longest = 4000;

/** Milliseconds between looks at the interfaces. */
const interval = 50;

/**
 * Calls back when a terminated router no longer serves, at the latest after four seconds. When a node is drained, the
 * next pod is created at once but needs seconds to start. Until it announces the address, this pod keeps working: the
 * node daemon closes its interfaces when it hears the announcement. Without interfaces of routers, or if the namespace
 * cannot be read, the call returns at once.
 *
 * @param look reads the namespace; may throw
 */
export function awaitSuccessor(look: () => Pick<LinkView, 'links'>, end: () => void): void {
  const links = listWorking(look);
  if (links.size === 0) {
    end();
    return;
  }
  const until = performance.now() + longest;
  const timer = setInterval(() => {
    const working = listWorking(look);
    if (performance.now() < until && links.isSubsetOf(working)) return;
    clearInterval(timer);
    end();
  }, interval);
}

/** Interfaces of routers that are up. Never throws. */
function listWorking(look: () => Pick<LinkView, 'links'>): ReadonlySet<number> {
  try {
    return new Set(look().links.flatMap(({ index, up, settings }) => (up && settings !== undefined ? [index] : [])));
  } catch {
    return new Set();
  }
}
