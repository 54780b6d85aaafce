import { pollReadable } from '../../base/linux/libc/calls.ts';
import { NetworkEvents } from '../../base/linux/netlink/events.ts';
import type { LinkView } from '../../base/model/observed.ts';
import type { AttachmentState } from '../model/state.ts';
import { findKernelProblems } from '../pod/readiness.ts';
import { keyOf, withinPod } from './pod-namespace.ts';

interface Followed {
  readonly state: AttachmentState;
  readonly events: NetworkEvents;
}

/**
 * Receives kernel notifications about links, addresses and routes in the namespaces of routers, which makes polling
 * unnecessary. The sockets keep the namespaces alive, so those of deleted routers must be released at once.
 */
export class PodChanges {
  readonly #followed = new Map<string, Followed>();

  /** Observes exactly these routers. */
  retain(states: readonly AttachmentState[]): void {
    const living = new Map(states.map((state) => [keyOf(state), state]));
    for (const [key, { events }] of this.#followed) {
      if (living.has(key)) continue;
      events.close();
      this.#followed.delete(key);
    }
    for (const [key, state] of living) {
      const events = this.#followed.get(key)?.events ?? open(state);
      if (events !== undefined) this.#followed.set(key, { state, events });
    }
  }

  /** Returns the routers whose namespaces changed since the last call. Costs one system call if there are none. */
  list(): readonly AttachmentState[] {
    const readable = new Set(pollReadable(Array.from(this.#followed.values(), ({ events }) => events.fd)));
    if (readable.size === 0) return [];
    return [...this.#followed.values()].flatMap(({ state, events }) =>
      readable.has(events.fd) && events.drain() ? [state] : [],
    );
  }
}

/** Returns undefined if the namespace no longer exists. */
function open(state: AttachmentState): NetworkEvents | undefined {
  try {
    return withinPod(state, () => new NetworkEvents(['link', 'address4', 'route4', 'address6', 'route6']));
  } catch {
    return undefined;
  }
}

/** Returns the problems of a router that its namespace shows, each with a remedy. */
export function listKernelProblems({ link, addresses, router }: AttachmentState, view: LinkView): readonly string[] {
  return findKernelProblems({ interface: link, addresses, gateways: router?.gateways ?? [] }, view);
}
