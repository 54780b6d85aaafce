import type { Presence, ProbeTarget } from './prober.ts';

/** Why a router's pod is to go. */
export interface Departure {
  /** `NodeGone`: its node and all routers on it are silent; `RouterSilent`: it alone; `NodeLeft`: cordoned or drained. */
  readonly reason: 'NodeGone' | 'RouterSilent' | 'NodeLeft';
  readonly node: string;
}

/** Why nothing is done though routers are gone. */
export type Restraint =
  /** Most nodes at once: it is likelier that we are cut off. */
  | 'MostGone'
  /** The API server does not answer now: what we know may be old. */
  | 'ApiStale'
  /** There were too many of late. */
  | 'RateLimited';

/** Routers that are gone, or the reason to leave them alone. */
export interface Verdict {
  /** By UID of the pod. */
  readonly departures: ReadonlyMap<string, Departure>;
  readonly restraint: 'MostGone' | undefined;
}

/**
 * What follows from what the prober sees. A node is gone when all routers on it are silent; nothing is
 * done when two or more nodes are, and they are more than those that answer.
 */
export function judgePresences(
  presences: readonly { readonly target: ProbeTarget; readonly presence: Presence }[],
): Verdict {
  const known = presences.filter(({ presence }) => presence !== 'unknown');
  const alive = new Set(known.filter(({ presence }) => presence === 'answers').map(({ target }) => target.node));
  const silent = known.filter(({ presence }) => presence === 'gone').map(({ target }) => target);
  const gone = new Set(silent.map(({ node }) => node).filter((node) => !alive.has(node)));
  if (gone.size >= 2 && gone.size > alive.size) return { departures: new Map(), restraint: 'MostGone' };
  return {
    departures: new Map(
      silent.map(({ uid, node }) => [uid, { reason: gone.has(node) ? 'NodeGone' : 'RouterSilent', node }]),
    ),
    restraint: undefined,
  };
}

/** So many moves in so many milliseconds: whatever we believe to see, we do not stir up a cluster. */
const limit = { moves: 10, ofOne: 3, window: 60_000 };

/** Counts moves of routers. */
export class MoveLimit {
  #moves: { readonly router: string; readonly at: number }[] = [];

  /** Whether another move is allowed now; it counts from then on. One router cannot use up what is for all. */
  take(router: string, now: number): boolean {
    this.#moves = this.#moves.filter(({ at }) => now - at < limit.window);
    const own = this.#moves.filter((one) => one.router === router).length;
    if (this.#moves.length >= limit.moves || own >= limit.ofOne) return false;
    this.#moves.push({ router, at: now });
    return true;
  }
}

/** Ports that hardly anybody redirects, for a knock that is answered by a refusal. */
const quietPorts = [9, 11, 17, 19, 37, 1, 2, 3];

/** A port of a router that no redirect has; undefined where they have all. */
export function pickQuietPort(redirected: ReadonlySet<number>): number | undefined {
  return quietPorts.find((port) => !redirected.has(port));
}
