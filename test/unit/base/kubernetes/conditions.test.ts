import assert from 'node:assert/strict';
import { type Json, mergeConditions, saySame } from '../../../../src/base/kubernetes/conditions.ts';
import { planGateway, planGatewayRoute } from '../../../../src/ingress/status/plan-gateway.ts';
import { planRoute } from '../../../../src/ingress/status/plan-route.ts';
import { readRoute, writeRoute } from '../../ingress/samples.ts';

const noon = '2026-01-01T12:00:00Z';
const now = new Date('2026-01-01T13:00:00Z');
const later = '2026-01-01T13:00:00Z';
const written = (type: string, status: string, observedGeneration?: number): Json => ({
  type,
  status,
  reason: 'R',
  message: '',
  lastTransitionTime: noon,
  ...(observedGeneration !== undefined && { observedGeneration }),
});
const draft = (type: string, status: 'True' | 'False') => ({ type, status, reason: 'R', message: '' });
const describeAll = (conditions: unknown) =>
  (conditions as Json[]).map(({ type, status, observedGeneration }) => [type, status, observedGeneration].join(' '));

describe('mergeConditions', () => {
  it("replaces this controller's conditions in place and keeps other controllers' where they are", () => {
    const before = [written('First/Other', 'True'), written('Degraded', 'True', 1), written('Other', 'False')];
    const drafts = [draft('Available', 'True'), draft('Degraded', 'False')];
    const after = mergeConditions(drafts, before, { now: later, generation: 2 });
    assert.deepEqual(describeAll(after), ['First/Other True ', 'Degraded False 2', 'Other False ', 'Available True 2']);
    assert.deepEqual([after[0], after[2]], [before[0], before[2]]);
    assert.equal(saySame(mergeConditions(drafts, after, { now: 'later', generation: 2 }), after), true);
  });

  it('escapes characters that would hide or reorder a message, also of Gateways and their listeners', () => {
    const message = 'protocol "a\u202eb\u009b31m\nc\u0000" is not served';
    const escaped = 'protocol "a\\u202eb\\u009b31m\\u000ac\\u0000" is not served';
    const conditions = [{ ...draft('Accepted', 'False'), message }];
    const [written] = mergeConditions(conditions, [], { now: later });
    assert.equal(written?.message, escaped);
    assert.equal(saySame(mergeConditions(conditions, [written], { now: 'later' }), [written]), true);
    const listeners = [{ name: 'l', kinds: [], attachedRoutes: 0, conditions }];
    const change = planGateway(
      { uid: 'u', generation: 1, addresses: [], conditions, listeners, attachedSets: 0 },
      { status: {} },
      now,
    );
    assert.doesNotMatch(JSON.stringify(change?.status), /[\p{Cc}\p{Cf}]/u);
    assert.ok(JSON.stringify(change?.status).includes('u202e'));
  });

  it('never overwrites a condition about a higher generation', () => {
    const before = [written('Available', 'False', 3), written('Degraded', 'True', 2)];
    const drafts = [draft('Available', 'True'), draft('Degraded', 'False')];
    const after = mergeConditions(drafts, before, { now: later, generation: 2 });
    assert.deepEqual(describeAll(after), ['Available False 3', 'Degraded False 2']);
    assert.equal(after[0], before[0]);
    const older = [{ ...draft('Available', 'True'), observedGeneration: 2 }];
    assert.equal(mergeConditions(older, before, { now: later, generation: 4 })[0], before[0]);
  });

  it('removes conditions of its own types that no longer apply, and repeated ones', () => {
    const before = [written('Old', 'True'), written('Ready', 'True'), written('Ready', 'False')];
    const context = { now: later, ownTypes: new Set(['Old', 'Ready']) };
    assert.deepEqual(describeAll(mergeConditions([draft('Ready', 'True')], before, context)), ['Ready True ']);
  });

  it('starts over where the written conditions cannot be read', () => {
    for (const before of [undefined, null, 'x', {}, [null, 5, [], { type: 5 }]]) {
      const after = mergeConditions([draft('Ready', 'True')], before, { now: later });
      assert.deepEqual(after.at(-1), { ...draft('Ready', 'True'), lastTransitionTime: later });
    }
  });
});

describe('statuses that several controllers write', () => {
  const identity = { routerName: 'r1', controllerName: 'example.com/c' };
  const seen = (status: Json) => ({
    kind: 'Route' as const,
    apiVersion: 'route.openshift.io/v1',
    metadata: { namespace: 'shop', name: 'web', uid: 'u', resourceVersion: '1', generation: 1 },
    status,
  });

  it("keep every router's entry in its place, and conditions of other types in this router's", () => {
    const { meta } = readRoute(writeRoute());
    const entry = (routerName: string, ...conditions: Json[]) => ({
      host: 'h',
      routerName,
      wildcardPolicy: 'None',
      conditions,
    });
    const other = written('UnservableInFutureVersions', 'True');
    const ingress = [entry('r0'), entry('r1', other, written('Admitted', 'False')), entry('r2')];
    const status = { meta, wildcardPolicy: 'None', host: 'h', ports: [], admitted: true } as const;
    const change = planRoute(status, identity, seen({ ingress }), now);
    const [first, ours, last] = (change?.status.ingress ?? []) as Json[];
    assert.deepEqual([first, last], [ingress[0], ingress[2]]);
    assert.deepEqual(ours?.conditions, [other, { type: 'Admitted', status: 'True', lastTransitionTime: later }]);
    assert.equal(planRoute(status, identity, seen({ ingress: [first, ours, last] }), now), undefined);
    assert.deepEqual(planRoute(undefined, identity, seen({ ingress }), now)?.status.ingress, [first, last]);
  });

  it('keep parents and conditions of other Gateway controllers in their places', () => {
    const parent = (name: string, controllerName: string, ...conditions: Json[]) => ({
      parentRef: { name },
      controllerName,
      conditions,
    });
    const parents = [
      parent('a', 'example.com/c', written('Theirs', 'True'), written('Accepted', 'False', 1)),
      parent('a', 'example.com/other'),
      parent('gone', 'example.com/c'),
      parent('b', 'example.com/c', written('Accepted', 'False', 9)),
    ];
    const report = {
      uid: 'a',
      generation: 2,
      parents: ['b', 'a'].map((name) => ({ parentRef: { name }, conditions: [draft('Accepted', 'True')] })),
    };
    const change = planGatewayRoute(report, identity.controllerName, { status: { parents } }, now);
    const after = change?.status.parents as (typeof parents)[number][];
    assert.deepEqual(
      after.map((one) => [one.parentRef.name, one.controllerName, ...describeAll(one.conditions)]),
      [
        ['a', 'example.com/c', 'Theirs True ', 'Accepted True 2'],
        ['a', 'example.com/other'],
        ['b', 'example.com/c', 'Accepted False 9'],
      ],
    );
    const gateway = {
      uid: 'g',
      generation: 2,
      conditions: [draft('Accepted', 'True')],
      addresses: [],
      listeners: [],
      attachedSets: 0,
    };
    const conditions = [written('Theirs', 'True'), written('Accepted', 'False', 3)];
    assert.deepEqual(planGateway(gateway, { status: { conditions } }, now)?.status.conditions, conditions);
  });
});
