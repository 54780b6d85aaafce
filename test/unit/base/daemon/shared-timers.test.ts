import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SharedTimers } from '../../../../src/base/daemon/shared-timers.ts';
import { until } from '../../../until.ts';

describe('SharedTimers', () => {
  it('runs timers of nearly the same time together, and none early', async () => {
    const timers = new SharedTimers();
    const begun = performance.now();
    // Microtasks run between two timers of the runtime, but not between two functions of one group.
    let groups = 0;
    let isSameGroup = false;
    const early: number[] = [];
    let count = 0;
    for (let index = 0; index < 40; index++) {
      const milliseconds = 640 + index;
      timers.start(milliseconds, () => {
        count++;
        const late = performance.now() - begun - milliseconds;
        if (late < -1) early.push(late);
        if (isSameGroup) return;
        groups++;
        isSameGroup = true;
        queueMicrotask(() => {
          isSameGroup = false;
        });
      });
    }
    await until(
      () => count === 40,
      () => count,
      20_000,
    );
    // Their step is 32 ms.
    assert.ok(groups <= 3, `${groups}`);
    assert.deepEqual(early, []);
  });

  it('runs every function, also the same one twice, but none that was cancelled', async () => {
    const timers = new SharedTimers();
    const runs: string[] = [];
    const twice = (): void => void runs.push('twice');
    timers.start(20, twice);
    timers.start(20, twice);
    const cancelFirst = timers.start(20, () => runs.push('first'));
    const cancelOnly = timers.start(30_000, () => runs.push('only'));
    cancelFirst();
    cancelOnly();
    cancelOnly();
    // Another group at the same moment as a cancelled one is not affected by its second cancellation.
    timers.start(25, () => runs.push('last'));
    await until(
      () => runs.length === 3,
      () => runs,
      20_000,
    );
    assert.deepEqual(runs.sort(), ['last', 'twice', 'twice']);
  });

  it('lets a function start the next timer at once', async () => {
    const timers = new SharedTimers();
    let count = 0;
    const again = (): void => {
      count++;
      if (count < 5) timers.start(0, again);
    };
    timers.start(0, again);
    await until(
      () => count === 5,
      () => count,
      20_000,
    );
  });

  it('repeats a function with others at the same time until it ends', async () => {
    const timers = new SharedTimers();
    const at: number[] = [];
    const end = timers.repeat(32, () => {
      at.push(performance.now());
      if (at.length === 3) end();
    });
    let waited = 0;
    void timers.wait(1, 32).then(() => {
      waited = performance.now();
    });
    await until(
      () => at.length === 3 && waited > 0,
      () => at,
      20_000,
    );
    // In the same group as the first call, so no other timer was between them.
    assert.ok(waited >= (at[0] ?? 0) && waited <= (at[1] ?? 0), `${waited} ${at.join()}`);
    await timers.wait(100);
    assert.equal(at.length, 3);
  });
});
