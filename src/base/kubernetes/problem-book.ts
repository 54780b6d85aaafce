import type { DaemonLog } from '../daemon/log.ts';

/** Problems that come and go, each told once when it comes, when it changes, and when it is gone. */
export class ProblemBook {
  readonly #log: DaemonLog;
  readonly #onCount: (count: number) => void;
  readonly #problems = new Map<string, string>();

  /** @param onCount hears how many problems there are, whenever that may have changed */
  constructor(log: DaemonLog, onCount: (count: number) => void = () => undefined) {
    this.#log = log;
    this.#onCount = onCount;
  }

  /** Notes what is wrong at a place (a file, an object, a connection); undefined: nothing any more. */
  report(place: string, problem: string | undefined): void {
    if (this.#problems.get(place) === problem) return;
    if (problem === undefined) {
      this.#problems.delete(place);
      this.#log.info({ place }, 'Problem resolved');
    } else {
      this.#problems.set(place, problem);
      this.#log.warn({ place, problem }, 'Problem');
    }
    this.#onCount(this.#problems.size);
  }
}
