import type { Probed } from './prober.ts';

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
 * What follows from what the prober sees. A node is gone when all routers on it are silent, a router alone
 * when another one on its node has answered since: until then nobody knows which of the two it is. Nothing
 * is done when two or more nodes are gone, and they are more than those that answer.
 */
export function judgePresences(presences: readonly Probed[]): Verdict {
  /** When a router of a node that is not gone answered last. */
  const alive = new Map<string, number>();
  for (const { target, presence, answeredAt } of presences)
    if (presence === 'answers') alive.set(target.node, Math.max(answeredAt, alive.get(target.node) ?? 0));
  const silent = presences.filter(({ presence }) => presence === 'gone');
  const gone = new Set(silent.map(({ target }) => target.node).filter((node) => !alive.has(node)));
  if (gone.size >= 2 && gone.size > alive.size) return { departures: new Map(), restraint: 'MostGone' };
  return {
    departures: new Map(
      silent.flatMap(({ target: { uid, node }, goneAt }): [string, Departure][] => {
        if (gone.has(node)) return [[uid, { reason: 'NodeGone', node }]];
        return (alive.get(node) ?? 0) > goneAt ? [[uid, { reason: 'RouterSilent', node }]] : [];
      }),
    ),
    restraint: undefined,
  };
}

/** So many departures in so many milliseconds: whatever we believe to see, we do not stir up a cluster. */
const limit = { departures: 10, ofOne: 3, window: 60_000 };

/** Counts departures. A node that died is one, however many routers were on it: they must all go at once. */
export class MoveLimit {
  readonly #departures = new Map<string, { readonly at: number; readonly routers: Set<string> }>();

  /**
   * Whether a router's pod may be moved now; its departure counts from then on. One router cannot use up what
   * is for all.
   *
   * @param router tells the members of a pool apart
   * @param uid of the pod
   * @param now milliseconds, of a clock that only goes forward
   */
  take(router: string, uid: string, { reason, node }: Departure, now: number): boolean {
    for (const [key, { at }] of this.#departures) if (now - at >= limit.window) this.#departures.delete(key);
    const key = reason === 'RouterSilent' ? uid : node;
    const known = this.#departures.get(key);
    if (known?.routers.has(router) === true) return true;
    const own = [...this.#departures.values()].filter(({ routers }) => routers.has(router)).length;
    if (own >= limit.ofOne || (known === undefined && this.#departures.size >= limit.departures)) return false;
    if (known === undefined) this.#departures.set(key, { at: now, routers: new Set([router]) });
    else known.routers.add(router);
    return true;
  }
}

/** Ports that hardly anybody redirects, for a knock that is answered by a refusal. */
const quietPorts = [9, 11, 17, 19, 37, 1, 2, 3];

/** A port of a router that no redirect has; undefined where they have all. */
export function pickQuietPort(redirected: ReadonlySet<number>): number | undefined {
  return quietPorts.find((port) => !redirected.has(port));
}
