import { FairTurns } from '../../base/model/fair-turns.ts';
import type { Changes } from '../objects/inventory.ts';
import type { Kind } from '../objects/kinds.ts';

/** What is decided about in one sync: a certificate to check takes half a millisecond or more. */
const budget = 50;

/** What a namespace gets before the next one has its turn. */
const turn = 5;

/**
 * Cuts a large change of Routes: what is left counts as changed later. The namespaces have their turns, so that
 * one with thousands of changed Routes does not hold up the others.
 */
export class RouteTurns {
  readonly #costOf: (key: string) => number;
  readonly #turns = new FairTurns();
  /** Changed Routes by namespace. */
  readonly #waiting = new Map<string, Set<string>>();

  /** @param costOf cost of deciding about a Route by `NAMESPACE/NAME`, as a share of checking a certificate */
  constructor(costOf: (key: string) => number) {
    this.#costOf = costOf;
  }

  /** Whether changes are left for the next {@link cut}. */
  get hasMore(): boolean {
    return this.#waiting.size > 0;
  }

  /** Changes with those Routes that are due. */
  cut(changes: Changes): Changes {
    for (const key of changes.of('Route')) {
      const namespace = key.slice(0, key.indexOf('/'));
      const keys = this.#waiting.get(namespace);
      if (keys === undefined) this.#waiting.set(namespace, new Set([key]));
      else keys.add(key);
    }
    const due = new Set<string>();
    for (let spent = 0; spent < budget && this.hasMore; ) spent += this.#take(due);
    return {
      has: (...kinds) =>
        changes.has(...kinds.filter((kind) => kind !== 'Route')) || (kinds.includes('Route') && due.size > 0),
      of: (kind: Kind) => (kind === 'Route' ? due : changes.of(kind)),
    };
  }

  /** One turn of the namespace that has used least. */
  #take(due: Set<string>): number {
    const [namespace = ''] = this.#turns.order(this.#waiting.keys());
    const keys = this.#waiting.get(namespace) ?? new Set();
    let cost = 0;
    for (const key of keys) {
      if (cost >= turn) break;
      keys.delete(key);
      due.add(key);
      cost += this.#costOf(key);
    }
    if (keys.size === 0) this.#waiting.delete(namespace);
    this.#turns.spend(namespace, cost);
    return cost;
  }
}
