import { writeFileSync } from 'node:fs';
import { inspect } from 'node:util';
import Mocha from 'mocha';

/** How many lines of progress a long run prints. */
const steps = 20;

/** Maximum characters of an error in a report. */
const longestError = 8000;

/** Counts of a finished run. */
export interface Totals {
  passes: number;
  failures: number;
  pending: number;
}

/** What one process of several reports at its end. */
export interface LaneReport extends Totals {
  /** Failed tests, each with its full title and its error. */
  readonly failed: readonly { readonly title: string; readonly error: string }[];
}

/** Returns the last line of a run, such as `3970 passed, 0 failed`. */
export function printTotals({ passes, failures, pending }: Totals): string {
  const skipped = pending > 0 ? `, ${pending} skipped` : '';
  return `${passes} passed, ${failures} failed${skipped}`;
}

/**
 * Mocha's own report, with the number of tests first, progress on the way, and one line of totals at the end. Totals
 * and failures go to the file in `TEST_TOTALS` instead if the variable is set, for a run of several processes.
 */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const { total } = runner;
    let done = 0;
    // Parallel runs do not know the total.
    if (total > 0) runner.once('start', () => console.log(`${total} tests`));
    runner.on('test end', () => {
      done += 1;
      const step = Math.ceil(total / steps);
      if (total > steps && done % step === 0) console.log(`[${done} of ${total} tests, ${this.stats.failures} failed]`);
    });
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      const { TEST_TOTALS } = process.env;
      if (TEST_TOTALS === undefined) console.log(printTotals({ passes, failures, pending }));
      else {
        const failed = this.failures.map((test) => ({ title: test.fullTitle(), error: describe(test.err) }));
        writeFileSync(TEST_TOTALS, JSON.stringify({ passes, failures, pending, failed } satisfies LaneReport));
      }
    });
  }

  /** Prints failures and counts, unless other processes run at the same time. */
  override epilogue(): void {
    if (process.env.TEST_TOTALS === undefined) super.epilogue();
  }
}

/** Returns the stack of an error with the difference of its values, if it has any. */
function describe(error: Error | undefined): string {
  const { actual, expected } = (error ?? {}) as { readonly actual?: unknown; readonly expected?: unknown };
  const difference = actual === undefined ? [] : [`actual: ${format(actual)}`, `expected: ${format(expected)}`];
  return [error?.stack ?? String(error), ...difference].join('\n').slice(0, longestError);
}

function format(value: unknown): string {
  return inspect(value, { depth: 6, breakLength: 120 });
}
