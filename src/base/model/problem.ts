/** A problem in user input: the field, its value and the expected value. */
export interface Problem {
  /** JSON path, such as `ip.destinations[2]`. */
  readonly path: string;
  /** Observed value, shortened for messages. */
  readonly value: string;
  /** Expected value, or how to fix the problem. */
  readonly cure: string;
}

/** A parsed value, or all problems found. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Formats a problem on one line: `ip.gateway "10.0.0.1": must be an address in 192.168.12.0/24`. */
export function formatProblem(problem: Problem): string {
  return `${problem.path} ${problem.value}: ${problem.cure}`;
}
