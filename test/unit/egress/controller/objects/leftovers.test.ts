import assert from 'node:assert/strict';
import { Leftovers } from '../../../../../src/egress/controller/objects/leftovers.ts';
import { namesOf } from '../../../../../src/egress/controller/objects/names.ts';

const meta = { namespace: 'shop', name: 'web', uid: 'u1', created: 0, labels: {} };
const first = namesOf('web', true);
const further = namesOf('web', false);

function pod(name: string, labels: object, phase = 'Running'): object {
  return { metadata: { namespace: 'shop', name, labels }, status: { phase } };
}

describe('pods of a deleted Deployment', () => {
  const cases: readonly (readonly [name: string, pods: readonly unknown[], first?: string, further?: string])[] = [
    ['none', []],
    ['one of this router', [pod('a', first.podLabels)], 'a', 'a'],
    ['one of a router that had these names before', [pod('b', { ...first.selector, 'egress-router': 'old' })], 'b'],
    ['one of another router', [pod('c', { 'egress-router': 'other' })]],
    ['one that has ended and is still listed', [pod('d', first.podLabels, 'Failed')]],
    ['what is no pod', [undefined, 7, { metadata: [] }]],
  ];
  for (const [name, pods, ofFirst, ofFurther] of cases) {
    it(`are recognized with ${name}`, () => {
      assert.equal(new Leftovers().find(meta, first, pods, 0), ofFirst);
      assert.equal(new Leftovers().find(meta, further, pods, 0), ofFurther);
    });
  }

  it('delay the next Deployment by up to half a minute, for each deletion', () => {
    const leftovers = new Leftovers();
    const pods = [pod('a', first.podLabels)];
    assert.equal(leftovers.find(meta, first, pods, 1000), 'a');
    assert.equal(leftovers.find(meta, first, pods, 30_999), 'a');
    assert.equal(leftovers.find(meta, first, pods, 31_000), undefined);
    leftovers.forget(meta, first);
    assert.equal(leftovers.find(meta, first, pods, 40_000), 'a');
    assert.equal(leftovers.find({ ...meta, uid: 'u2' }, first, pods, 90_000), 'a');
  });
});
