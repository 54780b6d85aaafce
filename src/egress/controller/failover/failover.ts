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

/** Milliseconds in which everybody is heard or found silent. */
const longestDoubt = 5_000;

/** Routers that are gone, or the reason to leave them alone. */
export interface Verdict {
  /** By UID of the pod. */
  readonly departures: ReadonlyMap<string, Departure>;
  readonly restraint: 'MostGone' | undefined;
}

/**
 * What follows from what the prober sees. A node is gone when all routers on it are silent; a router is so
 * alone when another one on its node answers. Nothing is done when two or more nodes are gone, and they are
 * more than those that answer. Who has not answered since the last one fell silent may be as silent: that
 * is decided when he has, within a second.
 */
export function judgePresences(presences: readonly Probed[]): Verdict {
  const silent = presences.filter(({ presence }) => presence === 'gone');
  const answering = presences.filter(({ presence }) => presence === 'answers');
  const since = Math.max(...silent.map(({ goneAt }) => goneAt));
  const nodesOf = (some: readonly Probed[]): Set<string> => new Set(some.map(({ target }) => target.node));
  const alive = nodesOf(answering.filter(({ answeredAt }) => answeredAt > since));
  // A target that could not be probed for a long time does not block the decision.
  const heard = answering.filter(({ answeredAt }) => answeredAt > since - longestDoubt);
  const unsure = new Set([...nodesOf(heard)].filter((node) => !alive.has(node)));
  const gone = new Set([...nodesOf(silent)].filter((node) => !alive.has(node) && !unsure.has(node)));
  if (gone.size >= 2 && gone.size > alive.size + unsure.size) return { departures: new Map(), restraint: 'MostGone' };
  const isDecided = unsure.size === 0 || alive.size >= gone.size + unsure.size;
  const departures = silent.flatMap(({ target: { uid, node } }): [string, Departure][] => {
    if (alive.has(node)) return [[uid, { reason: 'RouterSilent', node }]];
    return gone.has(node) && isDecided ? [[uid, { reason: 'NodeGone', node }]] : [];
  });
  return { departures: new Map(departures), restraint: undefined };
}

/** The limit of departures per interval in milliseconds, which protects the cluster from wrong observations. */
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

/** Ports that are rarely redirected; a probe of a closed port gets a reset. */
const quietPorts = [9, 11, 17, 19, 37, 1, 2, 3];

/** A port of a router that no redirect has; undefined where they have all. */
export function pickQuietPort(redirected: ReadonlySet<number>): number | undefined {
  return quietPorts.find((port) => !redirected.has(port));
}
