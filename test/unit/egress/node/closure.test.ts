import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Closure } from '../../../../src/egress/node/closure.ts';

const rival = { address: '192.168.12.99', mac: '02:00:00:00:00:01' };
const round = 10_000;

describe('a blocked router', () => {
  it('waits before it listens, and twice as long after each claim, up to a limit', () => {
    const closure = new Closure(round);
    const waits = Array.from({ length: 6 }, () => {
      closure.close(rival, 0);
      return closure.remaining(0) / round;
    });
    assert.deepEqual(waits, [3, 6, 12, 24, 30, 30]);
    assert.equal(closure.next(30 * round - 1), 'wait');
    assert.equal(closure.next(30 * round), 'begin');
  });

  it('is enabled after three consecutive silent rounds in which a gateway answered', () => {
    const closure = new Closure(round);
    closure.close(rival, 0);
    closure.listen();
    assert.deepEqual(
      [false, false, true, false, false, false].map((isCutOff) => closure.hearSilence(isCutOff)),
      [false, false, false, false, false, true],
    );
    closure.open(100 * round);
    assert.equal(closure.rival, undefined);
  });

  it('remembers claims if it was enabled for a short time only', () => {
    const closure = new Closure(round);
    closure.close(rival, 0);
    closure.open(10 * round);
    closure.close(rival, 20 * round);
    assert.equal(closure.remaining(20 * round), 6 * round);
    closure.open(30 * round);
    closure.close(rival, 100 * round);
    assert.equal(closure.remaining(100 * round), 3 * round);
  });
});
