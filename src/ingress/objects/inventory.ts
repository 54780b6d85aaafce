import type { Labels } from '../../base/read/object-meta.ts';
import type { EndpointSlice } from './endpoint-slice.ts';
import { type ClusterObject, type Kind, kindNames, objectKey, type ValueOfKind } from './kinds.ts';

const noSlices: readonly EndpointSlice[] = [];

/** Changes since the reader's last request: keys (`NAMESPACE/NAME`) by kind. */
export interface Changes {
  has(...kinds: readonly Kind[]): boolean;
  /** Keys of a kind. Services are included if their slices changed. */
  of(kind: Kind): ReadonlySet<string>;
}

class ChangeSet implements Changes {
  readonly #keys = new Map<Kind, Set<string>>();

  note(kind: Kind, key: string): void {
    const keys = this.#keys.get(kind);
    if (keys === undefined) this.#keys.set(kind, new Set([key]));
    else keys.add(key);
  }

  has(...kinds: readonly Kind[]): boolean {
    return kinds.some((kind) => this.#keys.has(kind));
  }

  of(kind: Kind): ReadonlySet<string> {
    return this.#keys.get(kind) ?? new Set();
  }
}

/** Collects changes for one reader. */
export interface Journal {
  take(): Changes;
}

/** All current objects. Values are immutable: a reader that kept one can detect changes by identity. */
export class Inventory {
  readonly #objects = new Map<Kind, Map<string, ValueOfKind[Kind]>>(kindNames.map((kind) => [kind, new Map()]));
  readonly #slicesOfServices = new Map<string, readonly EndpointSlice[]>();
  readonly #journals: { changes: ChangeSet }[] = [];

  /** Opens a journal. Existing objects do not count as changes. */
  openJournal(): Journal {
    const journal = { changes: new ChangeSet() };
    this.#journals.push(journal);
    return {
      take: () => {
        const { changes } = journal;
        journal.changes = new ChangeSet();
        return changes;
      },
    };
  }

  put(object: ClusterObject): void {
    const key = objectKey(object);
    // The label that associates a slice with a Service can change.
    if (object.kind === 'EndpointSlice') this.#dropSlice(key);
    this.#objects.get(object.kind)?.set(key, object.value);
    this.#note(object.kind, key);
    if (object.kind === 'EndpointSlice') {
      this.#regroup(object.value.service, (slices) => [...slices, object.value]);
    }
  }

  remove(kind: Kind, key: string): void {
    if (kind === 'EndpointSlice') this.#dropSlice(key);
    if (this.#objects.get(kind)?.delete(key) === true) this.#note(kind, key);
  }

  /** Marks an unchanged object as changed, because something that it depends on has changed. */
  touch(kind: Kind, key: string): void {
    this.#note(kind, key);
  }

  /** Returns every object of a kind. */
  all<K extends Kind>(kind: K): Iterable<ValueOfKind[K]> {
    return (this.#objects.get(kind)?.values() ?? []) as Iterable<ValueOfKind[K]>;
  }

  /** Returns whether there is no object of a kind. */
  isEmpty(kind: Kind): boolean {
    return this.#objects.get(kind)?.size === 0;
  }

  /** Returns `NAMESPACE/NAME` of every object of a kind. */
  keys(kind: Kind): Iterable<string> {
    return this.#objects.get(kind)?.keys() ?? [];
  }

  /** Returns an object by `NAMESPACE/NAME`. */
  get<K extends Kind>(kind: K, key: string): ValueOfKind[K] | undefined {
    return this.#objects.get(kind)?.get(key) as ValueOfKind[K] | undefined;
  }

  /** Returns the labels of a namespace, or undefined if it does not exist. */
  labelsOf(namespace: string): Labels | undefined {
    return this.get('Namespace', namespace)?.meta.labels;
  }

  /** Returns all slices of a Service by its `NAMESPACE/NAME`: the same array until one of them changes. */
  slicesOf(service: string): readonly EndpointSlice[] {
    return this.#slicesOfServices.get(service) ?? noSlices;
  }

  #note(kind: Kind, key: string): void {
    for (const { changes } of this.#journals) changes.note(kind, key);
  }

  #dropSlice(key: string): void {
    const slice = this.get('EndpointSlice', key);
    if (slice !== undefined) this.#regroup(slice.service, (slices) => slices.filter((other) => other !== slice));
  }

  #regroup(service: string | undefined, change: (slices: readonly EndpointSlice[]) => readonly EndpointSlice[]): void {
    if (service === undefined) return;
    this.#note('Service', service);
    const slices = change(this.slicesOf(service));
    if (slices.length === 0) this.#slicesOfServices.delete(service);
    else this.#slicesOfServices.set(service, slices);
  }
}
