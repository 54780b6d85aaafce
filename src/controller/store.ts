import { isRecord } from '../api/shape.ts';
import { versionOf } from '../cluster/port.ts';

/** Objects of one kind as they were last seen, by `NAMESPACE/NAME`; nodes have no namespace. */
export class ObjectStore {
  readonly #objects = new Map<string, unknown>();
  /** Requests under way that the watch has not overtaken, by the object that they change. */
  readonly #expected = new Map<string, object>();
  readonly #onChange: (namespace: string) => void;
  #isListed = false;

  /** @param onChange told the namespace of every change */
  constructor(onChange: (namespace: string) => void) {
    this.#onChange = onChange;
  }

  /** Whether all objects are here. */
  get isListed(): boolean {
    return this.#isListed;
  }

  /** The kind does not exist in the cluster: there are none. */
  markAbsent(): void {
    this.#isListed = true;
  }

  replace(objects: readonly unknown[]): void {
    const next = new Map(objects.map((object) => [keyOf(object), object] as const));
    const namespaces = new Set([...this.#objects.keys(), ...next.keys()].map(namespaceOf));
    this.#objects.clear();
    this.#expected.clear();
    for (const [key, object] of next) if (key !== '') this.#objects.set(key, object);
    this.#isListed = true;
    for (const namespace of namespaces) this.#onChange(namespace);
  }

  put(object: unknown): void {
    const key = keyOf(object);
    if (key === '') return;
    const before = this.#objects.get(key);
    if (before !== undefined && versionOf(before) === versionOf(object)) return;
    this.#expected.delete(key);
    this.#objects.set(key, object);
    this.#onChange(namespaceOf(key));
  }

  /**
   * To be called before a request that changes an object. What it returns takes in the answer, which needs no further
   * thought, unless the watch told of the object meanwhile: events come by another connection, and may be newer.
   */
  expect(namespace: string, name: string): (answer: unknown) => void {
    const key = `${namespace}/${name}`;
    const request = {};
    this.#expected.set(key, request);
    return (answer) => {
      if (this.#expected.get(key) !== request) return;
      this.#expected.delete(key);
      this.#objects.set(key, answer);
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
