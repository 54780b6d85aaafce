import type { DaemonLog } from '../daemon/log.ts';

/**
 * Problems that come and go, by place: each is told when it comes, when it becomes another and when it is
 * over, never each time that it is met.
 */
export class ProblemLog {
  readonly #problems = new Map<string, string>();
  readonly #log: Pick<DaemonLog, 'info' | 'warn'>;
  readonly #message: string;

  /** @param message what all of them mean, for the log: `The API server cannot be followed` */
  constructor(log: Pick<DaemonLog, 'info' | 'warn'>, message: string) {
    this.#log = log;
    this.#message = message;
  }

  /** `undefined`: all is well at this place. */
  report(place: string, problem: string | undefined): void {
    const known = this.#problems.get(place);
    if (known === problem) return;
    if (problem === undefined) {
      this.#problems.delete(place);
      this.#log.info({ place }, `${this.#message}: solved`);
      return;
    }
    this.#problems.set(place, problem);
    this.#log.warn({ place, problem }, this.#message);
  }

  get(place: string): string | undefined {
    return this.#problems.get(place);
  }

  /** `PLACE: PROBLEM`, in the order in which they came. */
  get lines(): readonly string[] {
    return Array.from(this.#problems, ([place, problem]) => `${place}: ${problem}`);
  }
}
