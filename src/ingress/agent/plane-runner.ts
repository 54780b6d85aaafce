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
  #isAskedAgain = false;
  #isStopped = false;

  /** @param onRun called after each sync, even a failed one */
  constructor(plane: DataPlane, log: DaemonLog, metrics: AgentMetrics, onRun: () => void) {
    this.plane = plane;
    this.#log = log;
    this.#metrics = metrics;
    this.#onRun = onRun;
    this.#runner = new BoundedFrequencyRunner(() => void this.#run(), 0, plane.syncInterval);
  }

  /** Requests a sync. */
  request(): void {
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
    if (this.#isStopped) return;
    if (retry !== undefined) this.#runner.request(retry);
    this.#hasRun = true;
    this.#onRun();
    if (this.#isAskedAgain) this.request();
    this.#isAskedAgain = false;
  }
}
