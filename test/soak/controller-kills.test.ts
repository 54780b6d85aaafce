import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { killController } from './controller-kills.ts';

describe('a controller that is killed at random moments', () => {
  it('reaches the state of the EgressRouters, and never runs two pods of one router', async function () {
    this.timeout(60_000);
    const seed = Number(process.env.SOAK_SEED ?? Date.now());
    const { kills, changes, ...faults } = await killController({ seconds: 8, seed });
    assert.deepEqual(faults, { doubles: [], differences: [] }, `seed ${seed}`);
    assert.ok(kills > 1, `${kills} kills`);
    assert.ok(changes > 1, `${changes} changes`);
  });
});
