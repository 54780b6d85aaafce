import type { Level } from './allocation.ts';
import type { MoveReason, Wanted } from './documents.ts';

/** Milliseconds after which an agent that did not write `wanted.json` counts as silent. */
export const silentAfter = 10_000;

/** Inputs that determine whether this node may hold addresses. */
export interface Evidence {
  readonly wanted: Wanted | undefined;
  /** Milliseconds since the agent wrote the document. */
  readonly age: number;
  /** Whether all sockets of `checks` accept connections. */
  readonly isAnswering: boolean;
  /** Whether this process is exiting. */
  readonly isStopping: boolean;
}

/** A node's level with the reason why it is not 2. */
export interface Fitness {
  readonly level: Level;
  readonly why?: MoveReason | undefined;
  /** Human-readable reason. */
  readonly reason?: string | undefined;
}

/**
 * Returns how well this node can hold addresses. A crash of the agent changes nothing while HAProxy accepts
 * connections. If the agent stays away, the node no longer follows the cluster, so it hands over without losing a
 * connection.
 */
export function judgeFitness({ wanted, age, isAnswering, isStopping }: Evidence): Fitness {
  if (wanted === undefined) return { level: 0, why: 'not-ready', reason: 'The agent has not written wanted.json.' };
  if (!wanted.members.some(({ node }) => node === wanted.node)) {
    return { level: 0, why: 'not-ready', reason: 'This node is not a member of the election.' };
  }
  if (!isAnswering) {
    const sockets = wanted.checks.map(({ address, port }) => `${address} port ${port}`).join(', ');
    return { level: 0, why: 'not-ready', reason: `Nothing accepts connections on ${sockets}.` };
  }
  const isSilent = age > silentAfter;
  if (!wanted.ready) return { level: 0, why: 'not-ready', reason: 'The agent is not ready.' };
  if (isStopping) return { level: 1, why: 'drain', reason: 'The process is exiting.' };
  if (wanted.drain) return { level: 1, why: 'drain', reason: 'This node is being drained.' };
  if (isSilent) {
    return { level: 1, why: 'not-ready', reason: `The agent has been silent for ${Math.round(age / 1000)} s.` };
  }
  return { level: 2 };
}
