import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { keepAddresses } from './address-moves.ts';

describe('virtual addresses of nodes without faults', () => {
  it('do not move', async function () {
    this.timeout(60_000);
    const { moves, twins } = await keepAddresses({ seconds: 5, load: 2 });
    assert.deepEqual({ moves, twins }, { moves: [], twins: [] });
  });
});
