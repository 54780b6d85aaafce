import assert from 'node:assert/strict';
import fc from 'fast-check';
import { mergeConditions, saySame } from '../../../../src/base/kubernetes/conditions.ts';
import { isCovered } from '../../../../src/base/kubernetes/coverage.ts';
import { isRecord } from '../../../../src/base/read/shape.ts';
import { readRouterPod } from '../../../../src/egress/controller/failover/pods.ts';
import { readRouter } from '../../../../src/egress/controller/objects/router.ts';
import { describeRouter } from '../../../../src/egress/controller/status/conditions.ts';
import { latestMessage } from '../../../../src/egress/controller/status/pod-events.ts';
import { documentedEgressRouter } from '../api/samples.ts';

describe('objects of a cluster', () => {
  it('are parsed in any form', () => {
    const parts = { metadata: fc.jsonValue(), spec: fc.jsonValue(), status: fc.jsonValue() };
    const object = fc.oneof(fc.jsonValue(), fc.record(parts, { requiredKeys: [] }));
    fc.assert(
      fc.property(object, (input) => {
        readRouter(input);
        readRouter({ ...documentedEgressRouter, ...(isRecord(input) ? input : {}) });
        readRouterPod(input);
        latestMessage([input]);
        assert.equal(isCovered(input, structuredClone(input)), true);
      }),
    );
  });

  it('contain the desired fields, regardless of other fields', () => {
    assert.equal(isCovered({ a: 1, b: [{ c: 2 }] }, { a: 1, b: [{ c: 2, d: 3 }], e: 4 }), true);
    for (const actual of [{ a: 2, b: [{ c: 2 }] }, { a: 1, b: [] }, { a: 1, b: [{ c: 2 }, {}] }, { a: 1 }, undefined]) {
      assert.equal(isCovered({ a: 1, b: [{ c: 2 }] }, actual), false);
    }
  });
});

describe('conditions', () => {
  const member = {
    addresses: ['192.168.12.99'],
    trouble: undefined,
    wait: undefined,
    configuration: 'c',
    template: 'c',
    pods: [],
    progress: { kind: 'settled' },
    podEvent: undefined,
    refusal: undefined,
  } as const;
  const situation = {
    trouble: undefined,
    wait: undefined,
    members: [member],
    generation: undefined,
    availableGeneration: undefined,
  };
  const drafts = describeRouter(situation);

  it('keep their time while their status stays, and are not written again', () => {
    const first = mergeConditions(drafts, [], { now: '2026-01-01T00:00:00Z' });
    assert.equal(saySame(mergeConditions(drafts, first, { now: '2026-01-02T00:00:00Z' }), first), true);
    const trouble = { reason: 'InvalidSpec', message: 'no' } as const;
    const second = mergeConditions(describeRouter({ ...situation, trouble }), first, { now: '2026-01-02T00:00:00Z' });
    assert.deepEqual(
      second.map(({ type, status, lastTransitionTime }) => [type, status, lastTransitionTime]),
      [
        ['Available', 'False', '2026-01-01T00:00:00Z'],
        ['Progressing', 'False', '2026-01-02T00:00:00Z'],
        ['Degraded', 'True', '2026-01-02T00:00:00Z'],
      ],
    );
  });

  it('are repaired if another client added other conditions', () => {
    const first = mergeConditions(drafts, [], { now: '2026-01-01T00:00:00Z' });
    assert.equal(saySame(first, [...first, { type: 'Other' }]), false);
  });

  it('contain their generation, and are equal even if a server does not store that', () => {
    const first = mergeConditions(drafts, [], { now: '2026-01-01T00:00:00Z', generation: 1 });
    const second = mergeConditions(drafts, first, { now: '2026-01-02T00:00:00Z', generation: 2 });
    assert.deepEqual([saySame(first, first), saySame(second, first)], [true, false]);
    assert.equal(
      saySame(
        second,
        first.map(({ observedGeneration: _dropped, ...rest }) => rest),
      ),
      true,
    );
  });
});
