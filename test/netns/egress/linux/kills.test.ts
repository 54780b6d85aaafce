import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'mocha';
import type { Operation } from '../../../../src/egress/model/operation.ts';
import { FaultWorld, stepsToDisturb } from './fault-world.ts';

const faults = new FaultWorld('erkill');
const { world } = faults;

for (const backend of ['iptables', 'nftables'] as const) {
  describe(`a killed call, rules by ${backend}`, () => {
    before(() => world.make());
    after(() => world.drop());
    beforeEach(() => void faults.call('DEL', backend, 0, []));

    const succeed = (verb: 'ADD' | 'DEL', step: string): Operation[] => {
      const seen: Operation[] = [];
      const { exitCode, stdout } = faults.call(verb, backend, 0, seen);
      assert.equal(exitCode, 0, `${verb} after ${step}: ${stdout}`);
      return seen;
    };

    /** Kills a verb before each of its operations in turn; `following` is what comes after. */
    function killEverywhere(verb: 'ADD' | 'DEL', prepare: () => void, following: readonly ('ADD' | 'DEL')[]): void {
      succeed('ADD', 'nothing');
      succeed('DEL', 'ADD');
      const untouched = world.describePod();
      prepare();
      const whole = succeed(verb, 'nothing');
      succeed('DEL', verb);
      for (const { step: killed, name } of stepsToDisturb(verb, whole, backend)) {
        // A DEL that did nothing yet leaves an attachment that an ADD must not replace.
        if (verb === 'DEL' && killed === 1 && following[0] === 'ADD') continue;
        const step = `${verb} killed at step ${killed}, ${name}`;
        prepare();
        assert.equal(faults.call(verb, backend, killed, [], 'killed').exitCode, 1, step);
        for (const one of following) succeed(one, step);
        assert.equal(world.describePod(), untouched, step);
        assert.deepEqual(faults.storedStates(), [], step);
      }
    }

    const cases: { name: string; verb: 'ADD' | 'DEL'; next: readonly ('ADD' | 'DEL')[] }[] = [
      { name: 'an ADD can be followed by an ADD', verb: 'ADD', next: ['ADD', 'DEL'] },
      { name: 'an ADD can be followed by a DEL', verb: 'ADD', next: ['DEL', 'DEL'] },
      { name: 'a DEL can be followed by a DEL', verb: 'DEL', next: ['DEL'] },
      { name: 'a DEL can be followed by an ADD', verb: 'DEL', next: ['ADD', 'DEL'] },
    ];
    for (const { name, verb, next } of cases) {
      it(name, function () {
        this.timeout(120_000);
        killEverywhere(verb, () => void (verb === 'DEL' && succeed('ADD', 'nothing')), next);
      });
    }
  });
}
