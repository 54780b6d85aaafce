import { connect } from 'node:net';
import type { Wanted } from '../documents.ts';

/** Timeout of a connection attempt in milliseconds. */
const patience = 1000;
/** A socket counts as closed after this many consecutive failures, because a single one may be a full backlog. */
const failures = 2;

/** Checks periodically whether the sockets of `checks` accept connections. */
export class AnswerCheck {
  #failed = 0;
  #isRunning = false;

  get isAnswering(): boolean {
    return this.#failed < failures;
  }

  /** Checks all sockets, unless a check is running. */
  async run(checks: Wanted['checks']): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const results = await Promise.all(checks.map(({ address, port }) => accepts(address, port)));
    this.#failed = results.includes(false) ? this.#failed + 1 : 0;
    this.#isRunning = false;
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (isAccepted: boolean): void => {
      socket.destroy();
      resolve(isAccepted);
    };
    socket.setTimeout(patience, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
