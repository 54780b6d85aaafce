import assert from 'node:assert/strict';
import fc from 'fast-check';
import { assignNames, type NameClaimant, namesOf } from '../../../../../src/egress/controller/objects/names.ts';

const claimant = (name: string, created = 0): NameClaimant => ({ uid: `uid-${name}`, name, created });

/** Who gets the first one's names; the names of all others. */
function assign(routers: readonly NameClaimant[], owners: Readonly<Record<string, string>> = {}): string[] {
  return Array.from(
    assignNames(routers, (object) => owners[object]),
    ([uid, names]) => `${uid}: ${names === 'wait' ? 'wait' : names.deployment}`,
  );
}

describe('names of a namespace’s routers', () => {
  it("are OpenShift’s for the oldest router, and contain the router's name for the others", () => {
    assert.deepEqual(assign([claimant('b', 2), claimant('a', 1)]), [
      'uid-b: egress-router-cni-deployment-b',
      'uid-a: egress-router-cni-deployment',
    ]);
  });

  it('go to the lower UID if both have the same age', () => {
    assert.deepEqual(assign([claimant('b'), claimant('a')])[1], 'uid-a: egress-router-cni-deployment');
  });

  it('stay with their owner even if another router is older', () => {
    const owners = { 'egress-router-cni-deployment': 'uid-b' };
    assert.deepEqual(assign([claimant('a', 1), claimant('b', 2)], owners), [
      'uid-a: egress-router-cni-deployment-a',
      'uid-b: egress-router-cni-deployment',
    ]);
  });

  it('stay reserved while objects of a deleted router exist', () => {
    assert.deepEqual(assign([claimant('a')], { 'egress-router-cni-nad': 'gone' }), ['uid-a: wait']);
  });

  it('are not taken over by a router that has its own names', () => {
    const owners = { 'egress-router-cni-deployment-a': 'uid-a' };
    assert.deepEqual(assign([claimant('a', 1), claimant('b', 2)], owners), [
      'uid-a: egress-router-cni-deployment-a',
      'uid-b: egress-router-cni-deployment',
    ]);
  });

  it('are different for different routers, and are valid as labels', () => {
    const some = fc.uniqueArray(
      fc.record({ name: fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,100}[a-z0-9])?$/), created: fc.nat(3) }),
      { selector: ({ name }) => name, maxLength: 5 },
    );
    fc.assert(
      fc.property(
        some,
        fc.array(fc.constantFrom('egress-router-cni-nad', 'egress-router-cni-deployment')),
        (list, held) => {
          const routers = list.map(({ name, created }) => claimant(name, created));
          const owners = Object.fromEntries(held.map((object) => [object, routers[0]?.uid ?? 'gone']));
          const names = [...assignNames(routers, (object) => owners[object]).values()].filter((one) => one !== 'wait');
          assert.equal(new Set(names.map(({ deployment }) => deployment)).size, names.length);
          assert.equal(new Set(names.map(({ definition }) => definition)).size, names.length);
        },
      ),
    );
    for (const length of [1, 40, 41, 200]) {
      const { podLabels, deployment } = namesOf('x'.repeat(length), false);
      assert.ok((podLabels['egress-router'] ?? '').length <= 40 && deployment.length <= 80);
    }
  });
});
