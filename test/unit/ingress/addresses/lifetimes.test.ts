import assert from 'node:assert/strict';
import { Lifetimes } from '../../../../src/ingress/addresses/lifetimes.ts';
import { timing } from '../../../../src/ingress/addresses/timing.ts';

describe('Lifetimes', () => {
  it('renews all addresses together, because the kernel expires at most once per second', () => {
    const lifetimes = new Lifetimes(timing);
    lifetimes.renewed('192.0.2.10', 0);
    lifetimes.renewed('192.0.2.11', 300);
    assert.deepEqual(lifetimes.due(timing.renewal - 1), []);
    assert.deepEqual(lifetimes.due(timing.renewal), ['192.0.2.10', '192.0.2.11']);
  });

  it('renews no address whose lifetime may have expired', () => {
    const lifetimes = new Lifetimes(timing);
    lifetimes.renewed('192.0.2.10', 0);
    assert.equal(lifetimes.isAlive('192.0.2.10', timing.expired - 1), true);
    assert.equal(lifetimes.isAlive('192.0.2.10', timing.expired), false);
    lifetimes.forget('192.0.2.10');
    assert.equal(lifetimes.isAlive('192.0.2.10', 1), false);
  });
});
