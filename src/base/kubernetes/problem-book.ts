import type { DaemonLog } from '../daemon/log.ts';

/** Current problems by place. Logs each problem once: when it appears, when it changes and when it is solved. */
export class ProblemBook {
  readonly #problems = new Map<string, string>();
  readonly #log: Pick<DaemonLog, 'info' | 'warn'>;
  readonly #message: string;
  readonly #onCount: (count: number) => void;

  /**
   * @param message common log message of all problems: `Cannot watch the API server`
   * @param onCount called with the number of problems whenever it may have changed
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

  /** Records the problem of a place (a file, an object, a connection), or `undefined` if there is none any more. */
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

  /** `PLACE: PROBLEM` for each problem, oldest first. */
  get lines(): readonly string[] {
    return Array.from(this.#problems, ([place, problem]) => `${place}: ${problem}`);
  }
}
