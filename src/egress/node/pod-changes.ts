import { pollReadable } from '../../base/linux/libc/calls.ts';
import { NetworkEvents } from '../../base/linux/netlink/events.ts';
import { readPodView } from '../linux/pod-view.ts';
import type { AttachmentState } from '../model/state.ts';
import { findKernelProblems } from '../pod/readiness.ts';
import { keyOf, withinPod } from './pod-namespace.ts';

interface Followed {
  readonly state: AttachmentState;
  readonly events: NetworkEvents;
}

/**
 * Hears from the kernel that links, addresses or routes of routers' namespaces changed, so that nothing has to be read
 * again and again. The sockets hold the namespaces: release those of routers that are gone at once.
 */
export class PodChanges {
  readonly #followed = new Map<string, Followed>();

  /** Follows these routers and no others. */
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

  /** Returns the routers whose namespaces changed since the last call. Costs one system call where none did. */
  list(): readonly AttachmentState[] {
    const readable = new Set(pollReadable(Array.from(this.#followed.values(), ({ events }) => events.fd)));
    if (readable.size === 0) return [];
    return [...this.#followed.values()].flatMap(({ state, events }) =>
      readable.has(events.fd) && events.drain() ? [state] : [],
    );
  }
}

/** Undefined for a namespace that is gone. */
function open(state: AttachmentState): NetworkEvents | undefined {
  try {
    return withinPod(state, () => new NetworkEvents(['link', 'address4', 'route4', 'address6', 'route6']));
  } catch {
    return undefined;
  }
}

/** Returns what the kernel shows that keeps a router from working, each with a cure. Throws an Error. */
export function listKernelProblems(state: AttachmentState): readonly string[] {
  const { link, addresses, router } = state;
  const expected = { interface: link, addresses, gateways: router?.gateways ?? [] };
  return findKernelProblems(expected, withinPod(state, readPodView));
}
