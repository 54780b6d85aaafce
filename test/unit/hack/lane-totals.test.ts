import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LaneEnd, readTotals } from '../../../hack/lane-totals.ts';

describe('the totals of a lane of tests', () => {
  const folder = mkdtempSync(join(tmpdir(), 'totals-'));
  after(() => rmSync(folder, { recursive: true }));
  const read = (failures: number, end: LaneEnd) => {
    const failed = Array.from({ length: failures }, (_, i) => ({ title: `test ${i}`, error: 'Error: wrong' }));
    const totals = { passes: 3, failures, pending: 0, failed };
    const path = join(folder, 'totals');
    writeFileSync(path, JSON.stringify(totals));
    return { totals, read: readTotals('ingress', path, end) };
  };

  it('are those of the file if the process ended as they say', () => {
    for (const { totals, read: found } of [read(0, { exitCode: 0 }), read(2, { exitCode: 2 })])
      assert.deepEqual(found, totals);
  });

  it('are an error if the process failed and no test did', () => {
    assert.throws(() => read(0, { exitCode: 7 }), /^Error: The ingress tests failed after the last test: exit code 7$/);
    assert.throws(() => read(0, { signal: 'SIGKILL' }), /after the last test: SIGKILL$/);
  });

  it('are an error if there are none', () => {
    assert.throws(
      () => readTotals('ingress', join(folder, 'none'), { exitCode: 0 }),
      /^Error: The ingress tests ended without totals: exit code 0$/,
    );
  });
});
