import type { Parsed } from '../../base/model/problem.ts';
import { describeProblems } from './error.ts';

/** Returns the parsed value. Throws a {@link CniError} 7 with all problems if there is none. */
export function demand<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) throw describeProblems(parsed.problems);
  return parsed.value;
}
