/** One thing wrong with what somebody wrote: where, what stands there, and what would be right. */
export interface Problem {
  /** JSON path, such as `ip.destinations[2]`. */
  readonly path: string;
  /** What was seen, shortened for people. */
  readonly value: string;
  /** What was expected, or how to mend it. */
  readonly cure: string;
}

/** A parsed value, or everything that is wrong with it. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** One line for a person: `ip.gateway "10.0.0.1": must be an address in 192.168.12.0/24`. */
export function formatProblem(problem: Problem): string {
  return `${problem.path} ${problem.value}: ${problem.cure}`;
}
