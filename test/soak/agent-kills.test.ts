import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { killAgent } from './agent-kills.ts';

describe('an ingress agent that is killed at random moments under traffic', () => {
  it('fails no request, loses no change and leaves nothing', async function () {
    this.timeout(60_000);
    const seed = Number(process.env.SOAK_SEED ?? Date.now());
    const { kills, answers, ...faults } = await killAgent('ersoaka', { seconds: 8, seed });
    assert.deepEqual(faults, { failures: [], lost: [], leftovers: [] }, `seed ${seed}`);
    assert.ok(kills > 2, `${kills} kills`);
    assert.ok(answers > 100, `${answers} answers`);
  });
});
