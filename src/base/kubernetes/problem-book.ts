import type { DaemonLog } from '../daemon/log.ts';

/**
 * Problems that come and go, by place: each is logged when it comes, when it becomes another and when it is
 * over, not each time that it is met.
 */
export class ProblemBook {
  readonly #problems = new Map<string, string>();
  readonly #log: Pick<DaemonLog, 'info' | 'warn'>;
  readonly #message: string;
  readonly #onCount: (count: number) => void;

  /**
   * @param message what all of them mean, for the log: `The API server cannot be followed`
   * @param onCount called with the number of problems whenever that may have changed
   */
  constructor(
    log: Pick<DaemonLog, 'info' | 'warn'>,
    message: string,
    onCount: (count: number) => void = () => undefined,
  ) {
    this.#log = log;
    this.#message = message;
    this.#onCount = onCount;
  }

  /** Notes what is wrong at a place (a file, an object, a connection); `undefined`: nothing any more. */
  report(place: string, problem: string | undefined): void {
    if (this.#problems.get(place) === problem) return;
    if (problem === undefined) {
      this.#problems.delete(place);
      this.#log.info({ place }, `${this.#message}: solved`);
    } else {
      this.#problems.set(place, problem);
      this.#log.warn({ place, problem }, this.#message);
    }
    this.#onCount(this.#problems.size);
  }

  get(place: string): string | undefined {
    return this.#problems.get(place);
  }

  /** `PLACE: PROBLEM`, in the order in which they came. */
  get lines(): readonly string[] {
    return Array.from(this.#problems, ([place, problem]) => `${place}: ${problem}`);
  }
}
