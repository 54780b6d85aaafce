import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { mapGroups } from '../../../../src/ingress/http/equal-groups.ts';
import type { Group } from '../../../../src/ingress/intent/group.ts';
import type { Filters } from '../../../../src/ingress/intent/match.ts';

const plain: Filters = { requestHeaders: [], responseHeaders: [], adjustsCase: false };
const web: Group = { shares: [{ service: 'web', servicePort: 80, weight: 1 }] };

/** Returns the values of groups that each have a match of their own; a value is the index for which it was made. */
function share(...rules: readonly (readonly [path: string, group: Group, filters?: Partial<Filters>])[]) {
  const matches = rules.map(([value, , filters], group) => ({
    path: { type: 'element' as const, value },
    filters: { ...plain, ...filters },
    group,
  }));
  const groups = rules.map(([, group]) => group);
  return mapGroups({ matches, groups, access: { limits: {} }, warnings: [], ignored: [] }, (_, index) => index);
}

describe('mapGroups', () => {
  it('makes one value for groups that differ in their paths only', () => {
    const other: Group = { shares: [{ service: 'other', servicePort: 80, weight: 1 }] };
    assert.deepEqual(share(['/', web], ['/api', other], ['/b', web], ['/c', structuredClone(other)]), [0, 1, 0, 1]);
  });

  for (const [what, group, filters] of [
    ['port', { shares: [{ service: 'web', servicePort: 81, weight: 1 }] }, {}],
    ['namespace', { shares: [{ service: 'web', servicePort: 80, weight: 1, namespace: 'other' }] }, {}],
    ['missing grant', { shares: [{ service: 'web', servicePort: 80, weight: 1, isForbidden: true }] }, {}],
    ['weight', { shares: [{ service: 'web', servicePort: 80, weight: 0 }] }, {}],
    ['timeout', { ...web, serverTimeout: 10 }, {}],
    ['TLS', { ...web, tls: {} }, {}],
    ['answer to invalid shares', { ...web, errors: { invalid: 500 } }, {}],
    ['header', web, { requestHeaders: [{ name: 'x-a', value: '1' }] }],
    ['host header', web, { rewriteHost: 'a.test' }],
    ['redirect', web, { redirect: { status: 302 } }],
  ] as const) {
    it(`makes one for each ${what}`, () => {
      assert.deepEqual(share(['/', web], ['/api', group, filters], ['/b', web]), [0, 1, 0]);
    });
  }

  it('makes one for each path if the path is replaced', () => {
    const filters = { rewriteTarget: '/new' };
    assert.deepEqual(share(['/a', web, filters], ['/b', web, filters], ['/a', web, filters]), [0, 1, 0]);
  });

  it('does not confuse groups that are parts of others', () => {
    const parts = [
      { weight: 1, group: 1 },
      { weight: 2, group: 2 },
    ];
    const own = (value: string): Group => ({
      ...web,
      own: {
        path: '/',
        filters: { ...plain, requestEdits: { set: [{ name: 'x-part', value }], add: [], remove: [] } },
      },
    });
    assert.deepEqual(
      share(['/', { shares: [], parts }], ['/', own('1')], ['/', own('2')], ['/', own('1')]),
      [0, 1, 2, 1],
    );
  });
});
