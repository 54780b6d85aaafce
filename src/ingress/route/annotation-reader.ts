import type { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';

/** Where the annotations of HAProxy's router begin. */
export const haproxyPrefix = 'haproxy.router.openshift.io/';
export const routerPrefix = 'router.openshift.io/';

/** The limit of reported names. */
const maxIgnored = 20;

/** Says what was expected instead of a value; the annotation then counts as absent. */
export type Refuse = (cure: string) => undefined;

/** Reads annotations of a Route one by one and remembers which have no reader. */
export class AnnotationReader {
  readonly #annotations: Readonly<Record<string, unknown>>;
  readonly #problems: ProblemList;
  readonly #known = new Set<string>();
  readonly #asked = new Set<string>();

  constructor(input: unknown, problems: ProblemList) {
    if (input !== undefined && input !== null && !isRecord(input)) {
      problems.add('metadata.annotations', input, 'must be an object of texts');
    }
    this.#annotations = isRecord(input) ? input : {};
    this.#problems = problems;
  }

  /** What an annotation says; undefined where it is absent, or where `parse` refuses it, which is noted. */
  read<Value>(key: string, parse: (text: string, refuse: Refuse) => Value | undefined): Value | undefined {
    this.#known.add(key);
    this.#asked.add(key);
    const written = Object.hasOwn(this.#annotations, key) ? this.#annotations[key] : undefined;
    if (written === undefined || written === null) return undefined;
    const refuse = (cure: string): undefined => {
      this.#problems.add(`metadata.annotations[${key}]`, written, cure);
    };
    return typeof written === 'string' ? parse(written, refuse) : refuse('must be a text: write it in quotes');
  }

  /** Leaves an annotation to another reader. */
  skip(key: string): void {
    this.#known.add(key);
  }

  /** Counts an annotation that was read among those without effect. */
  ignore(key: string): void {
    this.#known.delete(key);
  }

  /** Names that were read, whether they were there or not. */
  get asked(): readonly string[] {
    return [...this.#asked];
  }

  /** Names of annotations for routers without a reader, sorted. */
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
