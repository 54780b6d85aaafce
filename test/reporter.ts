import Mocha from 'mocha';

/** How many lines of progress a long run prints. */
const steps = 20;

/** Mocha's own report, with the number of tests first, progress on the way, and one line of totals at the end. */
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
      const skipped = pending > 0 ? `, ${pending} skipped` : '';
      console.log(`${passes} passed, ${failures} failed${skipped}`);
    });
  }
}
