import type { Parsed, Problem } from '../model/problem.ts';
import { showValue } from './show-value.ts';

/** Limits the memory for problems of one document. */
const maxProblems = 100;

/** Collects all problems of a document, so that its author can fix them at once. */
export class ProblemList {
  readonly #problems: Problem[];

  /** @param known problems found elsewhere in the document */
  constructor(known: readonly Problem[] = []) {
    this.#problems = [...known];
  }

  /** Adds a problem with `value` at a JSON path; `cure` states the expected value. */
  add(path: string, value: unknown, cure: string): void {
    if (this.isFull) return;
    this.#problems.push({ path: path === '' ? '(document)' : path, value: showValue(value), cure });
  }

  /** Returns whether further problems would be dropped. */
  get isFull(): boolean {
    return this.#problems.length >= maxProblems;
  }

  /** Problems so far. */
  get list(): readonly Problem[] {
    return this.#problems;
  }

  get count(): number {
    return this.#problems.length;
  }

  /** Returns the value if there are no problems, otherwise the problems. */
  finish<T>(makeValue: () => T): Parsed<T> {
    return this.#problems.length === 0 ? { ok: true, value: makeValue() } : { ok: false, problems: this.#problems };
  }
}
