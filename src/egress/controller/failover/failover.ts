import type { Probed } from './prober.ts';

/** Why a router's pod must leave its node. */
export interface Departure {
  /**
   * `NodeGone`: its node and all routers on it are silent. `RouterSilent`: only this router is. `NodeLeft`: cordoned
   * or drained.
   */
  readonly reason: 'NodeGone' | 'RouterSilent' | 'NodeLeft';
  readonly node: string;
}

/** Why dead routers are not moved. */
export type Restraint =
  /** Most nodes are silent at once, so this controller is more likely to be disconnected. */
  | 'MostGone'
  /** The API server does not answer, so our view may be outdated. */
  | 'ApiStale'
  /** There were too many departures recently. */
  | 'RateLimited';

/** Milliseconds within which every target answers or is found silent. */
const longestDoubt = 5_000;

/** Departures, or the reason for none. */
export interface Verdict {
  /** By UID of the pod. */
  readonly departures: ReadonlyMap<string, Departure>;
  readonly restraint: 'MostGone' | undefined;
}

/**
 * Derives departures from the observations of the prober. A node is dead if all routers on it are silent; only a
 * router is dead if another one on its node answers. Nothing happens if two or more nodes are dead and they outnumber
 * the nodes that answer. A target that has not answered since the last one fell silent may be silent, too; the
 * decision waits for its next answer, within a second.
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

/**
 * Counts departures. A dead node counts once, regardless of the number of its routers, because all must move at once.
 */
export class MoveLimit {
  readonly #departures = new Map<string, { readonly at: number; readonly routers: Set<string> }>();

  /**
   * Returns whether a router's pod may be moved now, and counts its departure. One router cannot use up the limit of
   * all.
   *
   * @param router distinguishes the members of a pool
   * @param uid of the pod
   * @param now monotonic milliseconds
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

/** Returns a port of a router that no redirect uses, or undefined if redirects use all of them. */
export function pickQuietPort(redirected: ReadonlySet<number>): number | undefined {
  return quietPorts.find((port) => !redirected.has(port));
}
