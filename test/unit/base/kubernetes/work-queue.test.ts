import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { KubeError } from '../../../../src/base/kubernetes/cluster-api.ts';
import { WorkQueue } from '../../../../src/base/kubernetes/work-queue.ts';
import { FakeClock } from '../../../clock.ts';

describe('A work queue', () => {
  let clock: FakeClock;
  beforeEach(() => {
    clock = new FakeClock();
  });
  afterEach(() => clock.restore());

  it('waits as long as a server asks for (Retry-After), if that is longer than its own delay', async () => {
    const runs: number[] = [];
    const retries: number[] = [];
    const queue = new WorkQueue(
      async () => {
        runs.push(clock.now);
        if (runs.length === 1) throw new KubeError('429 too many requests', 429, 900);
        return undefined;
      },
      (_key, _error, retry) => retries.push(retry),
    );
    queue.add('shop');
    await clock.until(
      () => runs.length === 2,
      () => runs,
    );
    queue.close();
    const [first = 0, second = 0] = runs;
    assert.deepEqual(retries, [900]);
    assert.equal(second - first, 900);
  });
});
