import { isRecord } from '../read/shape.ts';
import { versionOf } from './cluster-api.ts';

/** Observed objects of one kind by `NAMESPACE/NAME`. Nodes have no namespace. */
export class ObjectStore {
  readonly #objects = new Map<string, unknown>();
  /** The newest request for each object, unless the watch has delivered a change since. */
  readonly #expected = new Map<string, symbol>();
  readonly #onChange: (namespace: string) => void;
  #isListed = false;

  /** @param onChange called with the namespace of every change */
  constructor(onChange: (namespace: string) => void) {
    this.#onChange = onChange;
  }

  /** Whether all objects are listed. */
  get isListed(): boolean {
    return this.#isListed;
  }

  /** Records that the cluster does not have the kind. */
  markAbsent(): void {
    this.replace([]);
  }

  replace(objects: readonly unknown[]): void {
    const next = new Map(objects.map((object) => [keyOf(object), object] as const));
    const namespaces = new Set([...this.#objects.keys(), ...next.keys()].map(namespaceOf));
    for (const key of [...this.#objects.keys(), ...next.keys()]) this.#expected.delete(key);
    this.#objects.clear();
    for (const [key, object] of next) if (key !== '') this.#objects.set(key, object);
    this.#isListed = true;
    for (const namespace of namespaces) this.#onChange(namespace);
  }

  put(object: unknown): void {
    const key = keyOf(object);
    if (key === '') return;
    this.#expected.delete(key);
    const before = this.#objects.get(key);
    if (before !== undefined && versionOf(before) === versionOf(object)) return;
    this.#objects.set(key, object);
    this.#onChange(namespaceOf(key));
  }

  /**
   * Call before a write: the returned function stores the response without a reconciliation. If the watch has
   * delivered the object in the meantime, its version is as new or newer, and the response is ignored.
   */
  expect(namespace: string, name: string): (answer: unknown) => void {
    const place = `${namespace}/${name}`;
    const request = Symbol(place);
    this.#expected.set(place, request);
    return (answer) => {
      if (keyOf(answer) !== place || this.#expected.get(place) !== request) return;
      this.#expected.delete(place);
      this.#objects.set(place, answer);
    };
  }

  remove(object: unknown): void {
    const key = keyOf(object);
    this.#expected.delete(key);
    if (this.#objects.delete(key)) this.#onChange(namespaceOf(key));
  }

  get(namespace: string, name: string): unknown {
    return this.#objects.get(`${namespace}/${name}`);
  }

  /** All objects of a namespace. */
  in(namespace: string): readonly unknown[] {
    return [...this.#objects].filter(([key]) => namespaceOf(key) === namespace).map(([, object]) => object);
  }

  /** All objects of all namespaces. */
  get all(): Iterable<unknown> {
    return this.#objects.values();
  }

  /** Every namespace that has an object. */
  get namespaces(): ReadonlySet<string> {
    return new Set(Array.from(this.#objects.keys(), namespaceOf));
  }
}

function keyOf(object: unknown): string {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const { namespace, name } = metadata;
  return typeof name === 'string' ? `${typeof namespace === 'string' ? namespace : ''}/${name}` : '';
}

function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}
