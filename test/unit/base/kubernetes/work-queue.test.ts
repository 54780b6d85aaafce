import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { KubeError } from '../../../../src/base/kubernetes/cluster-api.ts';
import { WorkQueue } from '../../../../src/base/kubernetes/work-queue.ts';
import { until } from '../../../until.ts';

describe('A work queue', () => {
  it('waits as long as a server asks for (Retry-After), if that is longer than its own delay', async () => {
    const runs: number[] = [];
    const retries: number[] = [];
    const queue = new WorkQueue(
      async () => {
        runs.push(performance.now());
        if (runs.length === 1) throw new KubeError('429 too many requests', 429, 900);
        return undefined;
      },
      (_key, _error, retry) => retries.push(retry),
    );
    queue.add('shop');
    await until(
      () => runs.length === 2,
      () => runs,
    );
    queue.close();
    const [first = 0, second = 0] = runs;
    assert.deepEqual(retries, [900]);
    assert.ok(second - first >= 890, `${second - first} ms`);
  });
});
