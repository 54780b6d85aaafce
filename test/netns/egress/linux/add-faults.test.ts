import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'mocha';
import type { Operation } from '../../../../src/egress/model/operation.ts';
import { FaultWorld, stepsToDisturb } from './fault-world.ts';

const faults = new FaultWorld('erfault');
const { world } = faults;

for (const backend of ['iptables', 'nftables'] as const) {
  describe(`an ADD that fails halfway, rules by ${backend}`, () => {
    before(() => world.make());
    after(() => world.drop());
    // iptables keeps its empty tables, which would show as a difference of the first run only.
    beforeEach(() => {
      assert.equal(faults.call('ADD', backend, 0, []).exitCode, 0);
      assert.equal(faults.call('DEL', backend, 0, []).exitCode, 0);
    });

    it('restores the namespace, whichever step fails', function () {
      this.timeout(120_000);
      const untouched = world.describePod();
      const whole: Operation[] = [];
      assert.equal(faults.call('ADD', backend, 0, whole).exitCode, 0);
      assert.equal(faults.call('DEL', backend, 0, []).exitCode, 0);
      assert.ok(whole.length > 30, `an ADD of both families has more than 30 steps, not ${whole.length}`);
      for (const { step: failing, name } of stepsToDisturb('ADD', whole, backend)) {
        const outcome = faults.call('ADD', backend, failing, []);
        const step = `step ${failing}, ${name}`;
        assert.equal(outcome.exitCode, 1, step);
        const error = JSON.parse(outcome.stdout) as { code: number; msg: string };
        assert.equal(error.code, 101, step);
        assert.equal(error.msg, `Cannot ${name}: fault of the test`, step);
        assert.equal(world.describePod(), untouched, step);
        assert.deepEqual(faults.storedStates(), [], step);
      }
    });
  });

  describe(`a DEL that fails halfway, rules by ${backend}`, () => {
    before(() => world.make());
    after(() => world.drop());

    it('is completed by the next one, whichever step failed', function () {
      this.timeout(120_000);
      assert.equal(faults.call('ADD', backend, 0, []).exitCode, 0);
      assert.equal(faults.call('DEL', backend, 0, []).exitCode, 0);
      const untouched = world.describePod();
      assert.equal(faults.call('ADD', backend, 0, []).exitCode, 0);
      const whole: Operation[] = [];
      assert.equal(faults.call('DEL', backend, 0, whole).exitCode, 0);
      for (const { step: failing, name } of stepsToDisturb('DEL', whole, backend)) {
        const step = `step ${failing}, ${name}`;
        assert.equal(faults.call('ADD', backend, 0, []).exitCode, 0, step);
        assert.equal(faults.call('DEL', backend, failing, []).exitCode, 1, step);
        assert.equal(faults.call('DEL', backend, 0, []).exitCode, 0, step);
        assert.equal(world.describePod(), untouched, step);
        assert.deepEqual(faults.storedStates(), [], step);
      }
    });
  });
}
