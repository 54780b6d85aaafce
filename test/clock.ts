import assert from 'node:assert/strict';
import { syncBuiltinESMExports } from 'node:module';
import { mock } from 'node:test';

/** Real time for everything that is due now, such as promises. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * A clock that moves only when a test advances it. It replaces the timers and the monotonic clock of this process. A
 * test can then wait for hours, and show that something happened at a certain time or not at all.
 */
export class FakeClock {
  #now = Math.ceil(performance.now());

  constructor() {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    // Modules have imported `setTimeout` of `node:timers/promises` by name.
    syncBuiltinESMExports();
    Object.defineProperty(performance, 'now', { value: () => this.#now, configurable: true });
  }

  /** Monotonic milliseconds, as `performance.now()`. */
  get now(): number {
    return this.#now;
  }

  /** Lets this many milliseconds pass, one by one. */
  async advance(milliseconds: number): Promise<void> {
    await settle();
    for (let count = 0; count < milliseconds; count++) {
      this.#now++;
      mock.timers.tick(1);
      await settle();
    }
  }

  /** Lets time pass until a condition holds. Fails after `longest` milliseconds with a description. */
  async until(isSo: () => boolean, describe: () => unknown, longest = 3000): Promise<void> {
    const end = this.#now + longest;
    for (await settle(); !isSo(); await this.advance(1))
      if (this.#now >= end) assert.fail(`not after ${longest} ms: ${JSON.stringify(describe())}`);
  }

  /** Puts the real clock back. */
  restore(): void {
    mock.timers.reset();
    syncBuiltinESMExports();
    Reflect.deleteProperty(performance, 'now');
  }
}
