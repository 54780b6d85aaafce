import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { IngressPort } from '../../../../src/ingress/ports/model.ts';
import { cutSlice } from '../../../../src/ingress/ports/slices.ts';

const open = (port: number): IngressPort => ({ protocol: 'tcp', port, endpoints: [], balance: 'source', limits: {} });
const many = (from: number, count: number) => Array.from({ length: count }, (_, index) => open(from + index));

describe('cutSlice', () => {
  it('includes a small change entirely', () => {
    const [one, two] = [open(1), open(2)];
    assert.deepEqual(cutSlice([one], new Map([['a', [two]]])), { ports: [two], waiting: 0 });
  });

  it('starts with the smallest namespaces, and finishes', () => {
    const wanted = new Map([
      ['big', many(10_000, 1800)],
      ['small', [open(1)]],
      ['middle', many(2000, 100)],
    ]);
    let inForce: readonly IngressPort[] = [];
    const steps: number[] = [];
    for (let waiting = 1; waiting > 0; ) {
      const slice = cutSlice(inForce, wanted);
      inForce = slice.ports;
      waiting = slice.waiting;
      steps.push(inForce.length);
      const small = [...(wanted.get('small') ?? []), ...(wanted.get('middle') ?? [])];
      assert.ok(small.every((port) => inForce.includes(port)));
    }
    assert.deepEqual(steps, [500, 1000, 1500, 1901]);
  });

  it('keeps a waiting port unchanged, and closes an unused one at once', () => {
    const before = [...many(10_000, 900), open(5)];
    const slice = cutSlice(before, new Map([['big', many(10_000, 900)]]));
    assert.equal(slice.waiting, 400);
    assert.equal(slice.ports.length, 900);
    assert.equal(slice.ports.filter((port) => before.includes(port)).length, 400);
    assert.ok(!slice.ports.some(({ port }) => port === 5));
  });
});
