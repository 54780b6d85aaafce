import type { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';

/** Prefix of the annotations of HAProxy's router. */
export const haproxyPrefix = 'haproxy.router.openshift.io/';
export const routerPrefix = 'router.openshift.io/';

/** Maximum number of reported names. */
const maxIgnored = 20;

/** Reports what was expected instead of a value. The annotation is then ignored. */
export type Refuse = (cure: string) => undefined;

/** Reads annotations of a Route individually and records which ones have no reader. */
export class AnnotationReader {
  readonly #annotations: Readonly<Record<string, unknown>>;
  readonly #problems: ProblemList;
  readonly #known = new Set<string>();
  readonly #asked = new Set<string>();

  constructor(input: unknown, problems: ProblemList) {
    if (input !== undefined && input !== null && !isRecord(input)) {
      problems.add('metadata.annotations', input, 'must be an object of strings');
    }
    this.#annotations = isRecord(input) ? input : {};
    this.#problems = problems;
  }

  /**
   * Returns the parsed value of an annotation, or undefined if it is absent or `parse` rejects it, which is recorded.
   */
  read<Value>(key: string, parse: (text: string, refuse: Refuse) => Value | undefined): Value | undefined {
    this.#known.add(key);
    this.#asked.add(key);
    const written = Object.hasOwn(this.#annotations, key) ? this.#annotations[key] : undefined;
    if (written === undefined || written === null) return undefined;
    const refuse = (cure: string): undefined => {
      this.#problems.add(`metadata.annotations[${key}]`, written, cure);
    };
    return typeof written === 'string' ? parse(written, refuse) : refuse('must be a string; write it in quotes');
  }

  /** Leaves an annotation to another reader. */
  skip(key: string): void {
    this.#known.add(key);
  }

  /** Adds an annotation that was read to those without effect. */
  ignore(key: string): void {
    this.#known.delete(key);
  }

  /** Names that were requested, whether present or not. */
  get asked(): readonly string[] {
    return [...this.#asked];
  }

  /** Returns the sorted names of router annotations without a reader. */
  listIgnored(): readonly string[] {
    const names: string[] = [];
    for (const key in this.#annotations) {
      const isForRouters = key.startsWith(haproxyPrefix) || key.startsWith(routerPrefix);
      if (isForRouters && !this.#known.has(key) && /^[\x21-\x7e]{1,120}$/.test(key)) names.push(key);
      if (names.length === maxIgnored) break;
    }
    return names.sort();
  }
}
