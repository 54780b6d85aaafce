import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { variants } from '../lab/plugin.ts';
import { killPlugin } from './plugin-kills.ts';

describe('a plugin that is killed at random moments under traffic', () => {
  for (const [index, variant] of variants.entries()) {
    it(`leaks nothing, leaves nothing and works again, rules by ${variant}`, async function () {
      this.timeout(30_000);
      const seed = Number(process.env.SOAK_SEED ?? Date.now() + index);
      const { kills, packets, ...faults } = await killPlugin('ersoak', { variant, seconds: 4, seed });
      assert.deepEqual(faults, { calls: faults.calls, leaks: [], leftovers: [], failures: [] }, `seed ${seed}`);
      assert.ok(kills > 0, `${kills} kills`);
      assert.ok(packets > 0, 'the routers between the kills carried traffic');
    });
  }
});
