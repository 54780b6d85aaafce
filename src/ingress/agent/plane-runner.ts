import { BoundedFrequencyRunner } from '../../base/daemon/bounded-frequency-runner.ts';
import type { DaemonLog } from '../../base/daemon/log.ts';
import { backoff } from '../../base/kubernetes/backoff.ts';
import type { DataPlane } from '../intent/plane.ts';
import type { AgentMetrics } from '../status/metrics.ts';

/** Milliseconds. */
const retries = { first: 200, last: 10_000 };

/** Runs the syncs of one data plane: soon after a change, one at a time, and again after a failure. */
export class PlaneRunner {
  readonly plane: DataPlane;
  readonly #log: DaemonLog;
  readonly #metrics: AgentMetrics;
  readonly #onRun: () => void;
  readonly #runner: BoundedFrequencyRunner;
  #changedAt: number | undefined;
  #failures = 0;
  #hasSynced = false;
  #hasRun = false;
  #isRunning = false;
  /** The last run. */
  #running: Promise<void> | undefined;
  #isAskedAgain = false;
  #isStopped = false;
  #isPaused: boolean;

  /** @param onRun called after each sync, even a failed one */
  constructor(plane: DataPlane, log: DaemonLog, metrics: AgentMetrics, onRun: () => void) {
    this.plane = plane;
    this.#log = log;
    this.#metrics = metrics;
    this.#onRun = onRun;
    this.#isPaused = plane.isExclusive === true;
    const run = (): void => {
      this.#running = this.#run();
    };
    this.#runner = new BoundedFrequencyRunner(run, 0, plane.syncInterval);
  }

  /** Allows syncs. An exclusive plane is paused at first. */
  resume(): void {
    this.#isPaused = false;
  }

  /** Prevents syncs until {@link resume}. Resolves when none is running. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    this.#runner.cancel();
    await this.#running;
    this.#hasRun = false;
    this.#hasSynced = false;
    this.#failures = 0;
    this.#changedAt = undefined;
    this.#isAskedAgain = false;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Requests a sync. */
  request(): void {
    if (this.#isPaused) return;
    this.#changedAt ??= performance.now();
    if (this.#isRunning) this.#isAskedAgain = true;
    // A change may fix the failure, but must not cause requests without pause to a kernel that rejects them.
    else this.#runner.request(this.#failures > 0 ? retries.first : 0);
  }

  /** Whether the first sync has ended, successfully or not. Before, the plane has no verdicts. */
  get hasRun(): boolean {
    return this.#hasRun;
  }

  /** Why the desired state is not applied, or undefined if it is. */
  get unreadiness(): string | undefined {
    if (this.#isPaused) return `another agent of this node applies the ${this.plane.name}`;
    if (this.#failures > 0) return `the last change of ${this.plane.name} failed; retrying`;
    return this.#hasSynced ? this.plane.unreadiness : `${this.plane.name} not configured yet`;
  }

  stop(): void {
    this.#isStopped = true;
    this.#runner.cancel();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const changedAt = this.#changedAt;
    const { name } = this.plane;
    this.#changedAt = undefined;
    this.#isRunning = true;
    let retry: number | undefined;
    try {
      // Awaited only if necessary: a change of ports is applied when this returns.
      const running = this.plane.sync();
      if (running !== undefined) await running;
      if (changedAt !== undefined) this.#metrics.delay.observe({ plane: name }, (performance.now() - changedAt) / 1000);
      if (this.#failures > 0) this.#log.info({ plane: name, failures: this.#failures }, 'Changes are applied again');
      this.#failures = 0;
      this.#hasSynced = true;
      this.#metrics.syncs.inc({ plane: name, outcome: 'success' });
    } catch (error) {
      this.#failures++;
      this.#changedAt = changedAt;
      retry = backoff(this.#failures, retries);
      const fields = { err: error, plane: name, failures: this.#failures, retryMilliseconds: retry };
      this.#log.error(fields, 'Failed to apply changes; retrying');
      this.#metrics.syncs.inc({ plane: name, outcome: 'failure' });
    }
    this.#isRunning = false;
    if (this.#isStopped || this.#isPaused) return;
    if (retry !== undefined) this.#runner.request(retry);
    this.#hasRun = true;
    this.#onRun();
    if (this.#isAskedAgain) this.request();
    this.#isAskedAgain = false;
  }
}
