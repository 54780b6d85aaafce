import type { Parsed, Problem } from '../model/problem.ts';
import { showValue } from './show-value.ts';

/** More problems than this in one document are not collected: nobody reads them, and each takes memory. */
const maxProblems = 100;

/** Gathers all that is wrong with a document, so that its author mends it in one go. */
export class ProblemList {
  readonly #problems: Problem[];

  /** @param known problems that were found elsewhere in the document */
  constructor(known: readonly Problem[] = []) {
    this.#problems = [...known];
  }

  /** Notes that `value`, which stands at the JSON path, is wrong; `cure` says what would be right. */
  add(path: string, value: unknown, cure: string): void {
    if (this.isFull) return;
    this.#problems.push({ path: path === '' ? '(document)' : path, value: showValue(value), cure });
  }

  /** Whether further problems would be dropped. */
  get isFull(): boolean {
    return this.#problems.length >= maxProblems;
  }

  /** What was noted so far. */
  get list(): readonly Problem[] {
    return this.#problems;
  }

  get count(): number {
    return this.#problems.length;
  }

  /** The value, if nothing was wrong; it is only made then. */
  finish<T>(makeValue: () => T): Parsed<T> {
    return this.#problems.length === 0 ? { ok: true, value: makeValue() } : { ok: false, problems: this.#problems };
  }
}
