import { askHealth } from './health.ts';

/** Milliseconds between probes. */
const interval = 1000;

/** Dependencies of a HealthWatch. Times are in milliseconds. */
export interface HealthQuestions {
  /** Socket of HAProxy's own listener. */
  readonly socket: string;
  /** Time without an answer after which HAProxy is considered hung. */
  readonly limit: number;
  /** Called before each probe. */
  readonly onProbe: () => void;
  /** Returns whether HAProxy is expected to answer. */
  readonly isExpected: () => boolean;
  /** Returns whether every allowed connection is in use, in which case HAProxy is not hung. */
  readonly isFull: () => Promise<boolean>;
  /** Called after the limit; the time then restarts from zero. */
  readonly onHang: (silence: number) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** Probes HAProxy once a second through the loop that serves clients, and reports when it hangs. */
export class HealthWatch {
  readonly #questions: HealthQuestions;
  #answeredAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(questions: HealthQuestions) {
    this.#questions = questions;
  }

  /** Milliseconds since HAProxy last answered a probe. */
  get silence(): number {
    return performance.now() - this.#answeredAt;
  }

  /** Records that HAProxy answers, for example because it has just been started. */
  noteAnswer(): void {
    this.#answeredAt = performance.now();
  }

  start(): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      void this.#check()
        .catch((error: unknown) => this.#questions.onError(error))
        .finally(() => this.start());
    }, interval);
    this.#timer.unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #check(): Promise<void> {
    const { socket, limit, isExpected, isFull, onHang } = this.#questions;
    this.#questions.onProbe();
    const asked = performance.now();
    if (!isExpected() || (await askHealth(socket)) || (await isFull())) {
      this.#answeredAt = asked;
      return;
    }
    const silence = this.silence;
    if (silence < limit || this.#isStopped) return;
    this.noteAnswer();
    await onHang(silence);
  }
}
