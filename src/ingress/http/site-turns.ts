import { FairTurns } from '../../base/model/fair-turns.ts';
import type { ChangedObjects, SiteSource } from '../intent/site-source.ts';

/** Cost of the decisions in one sync. Checking a certificate, which takes half a millisecond or more, costs 1. */
const budget = 50;

/** Cost of one turn of a namespace. */
const turn = 5;

/** Cost of a request without certificates. */
const plainCost = 0.1;

/**
 * Splits a large change of objects that request hosts; the rest counts as changed later. Namespaces take turns, so
 * that a namespace with thousands of changed objects does not delay the others.
 */
export class SiteTurns {
  readonly #sources: ReadonlyMap<string, SiteSource>;
  readonly #turns = new FairTurns();
  /** Changed objects (`KIND NAMESPACE/NAME`) by namespace. */
  readonly #waiting = new Map<string, Set<string>>();

  constructor(sources: readonly SiteSource[]) {
    this.#sources = new Map(sources.map((source) => [source.kind, source]));
  }

  /** Whether changes are left for the next {@link cut}. */
  get hasMore(): boolean {
    return this.#waiting.size > 0;
  }

  /** Returns the changes with those objects that are due. */
  cut(changes: ChangedObjects): ChangedObjects {
    for (const kind of this.#sources.keys()) for (const key of changes.of(kind)) this.#note(kind, key);
    const due = new Map<string, Set<string>>();
    for (let spent = 0; spent < budget && this.hasMore; ) spent += this.#take(due);
    const isOurs = (kind: string): boolean => this.#sources.has(kind);
    return {
      has: (...kinds) =>
        changes.has(...kinds.filter((kind) => !isOurs(kind))) || kinds.some((kind) => (due.get(kind)?.size ?? 0) > 0),
      of: (kind) => (isOurs(kind) ? (due.get(kind) ?? new Set()) : changes.of(kind)),
    };
  }

  #note(kind: string, key: string): void {
    const namespace = key.slice(0, key.indexOf('/'));
    const objects = this.#waiting.get(namespace);
    if (objects === undefined) this.#waiting.set(namespace, new Set([`${kind} ${key}`]));
    else objects.add(`${kind} ${key}`);
  }

  /** Gives one turn to the namespace with the least use, and returns its cost. */
  #take(due: Map<string, Set<string>>): number {
    const [namespace = ''] = this.#turns.order(this.#waiting.keys());
    const objects = this.#waiting.get(namespace) ?? new Set();
    let cost = 0;
    for (const object of objects) {
      if (cost >= turn) break;
      objects.delete(object);
      const [kind = '', key = ''] = object.split(' ');
      const keys = due.get(kind);
      if (keys === undefined) due.set(kind, new Set([key]));
      else keys.add(key);
      cost += this.#costOf(kind, key);
    }
    if (objects.size === 0) this.#waiting.delete(namespace);
    this.#turns.spend(namespace, cost);
    return cost;
  }

  #costOf(kind: string, key: string): number {
    let cost = plainCost;
    for (const { demand } of this.#sources.get(kind)?.translate(key) ?? []) {
      if (!demand.ok) continue;
      const { tls, groups } = demand.value;
      if (tls?.certificate !== undefined) cost++;
      cost += groups.filter((group) => group.tls?.authorities !== undefined).length;
    }
    return cost;
  }
}
