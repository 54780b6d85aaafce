import { byAgeAndName } from '../claims/order.ts';
import type { PortSpan } from '../haproxy/model.ts';
import type { ListenerId, SiteListener } from '../intent/listener.ts';

/** Listeners that share every address and port. */
export interface Place {
  /** `PORT@ADDRESS` of its first address in order, or `PORT@*`. */
  readonly name: string;
  /** All its addresses, in the same form. */
  readonly at: readonly string[];
  readonly port: number;
  readonly isTls: boolean;
  /** By hostname; `*` is a listener without one. */
  readonly listeners: ReadonlyMap<string, SiteListener>;
}

/** Places, and the listeners without one because another listener has their address, port and hostname. */
export interface Places {
  readonly places: readonly Place[];
  readonly lost: ReadonlyMap<ListenerId, string>;
}

/** Returns the hostname of a listener as a pattern: a host, `*.` and a domain, or `*`. */
export function patternOf({ hostname = '*' }: Pick<SiteListener, 'hostname'>): string {
  return hostname;
}

/** Groups listeners by the addresses and ports where they receive requests. Their order does not matter. */
export function findPlaces(listeners: Iterable<SiteListener>): Places {
  const lost = new Map<ListenerId, string>();
  const byPair = new Map<string, { port: number; isTls: boolean; listeners: Map<string, SiteListener> }>();
  const sorted = [...listeners].sort(
    (one, other) => byAgeAndName(one.owner, other.owner) || (one.id < other.id ? -1 : 1),
  );
  for (const listener of sorted) {
    const isTls = listener.protocol !== 'HTTP';
    for (const at of pairsOf(listener)) {
      const known = byPair.get(at) ?? { port: listener.port, isTls, listeners: new Map<string, SiteListener>() };
      byPair.set(at, known);
      const rival = known.listeners.get(patternOf(listener));
      if (known.isTls !== isTls) lost.set(listener.id, `port ${listener.port} has listeners of another protocol`);
      else if (rival === undefined) known.listeners.set(patternOf(listener), listener);
      else if (rival.id !== listener.id)
        lost.set(listener.id, `an older listener has port ${listener.port} and this hostname`);
    }
  }
  const places = new Map<string, Place & { readonly at: string[] }>();
  for (const [at, { port, isTls, listeners: own }] of [...byPair].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const key = `${port} ${[...own.values()]
      .map(({ id }) => id)
      .sort()
      .join(' ')}`;
    const known = places.get(key);
    if (known === undefined) places.set(key, { name: at, at: [at], port, isTls, listeners: own });
    else known.at.push(at);
  }
  return { places: [...places.values()], lost };
}

function pairsOf({ addresses, port }: SiteListener): readonly string[] {
  return addresses.length === 0 ? [`${port}@*`] : addresses.map((address) => `${port}@${address}`);
}

/**
 * Assigns numbers of a range to keys: a known key keeps its number, and a new one prefers the number that its text
 * gives, so that another agent with the same keys usually finds the same numbers. Keys beyond the range get none.
 */
export function assignSlots(
  keys: Iterable<string>,
  { from, to }: PortSpan,
  before: ReadonlyMap<string, number> = new Map(),
): ReadonlyMap<string, number> {
  const assigned = new Map<string, number>();
  const used = new Set<number>();
  const sorted = [...new Set(keys)].sort();
  for (const key of sorted) {
    const known = before.get(key);
    if (known === undefined || known < from || known > to) continue;
    assigned.set(key, known);
    used.add(known);
  }
  const size = to - from + 1;
  for (const key of sorted) {
    if (assigned.has(key)) continue;
    const start = digestOf(key) % size;
    for (let step = 0; step < size; step++) {
      const slot = from + ((start + step) % size);
      if (used.has(slot)) continue;
      assigned.set(key, slot);
      used.add(slot);
      break;
    }
  }
  return assigned;
}

function digestOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
