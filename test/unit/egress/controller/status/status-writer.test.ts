import assert from 'node:assert/strict';
import type { KubeApi } from '../../../../../src/base/kubernetes/cluster-api.ts';
import { EventRecorder } from '../../../../../src/base/kubernetes/events.ts';
import { readRouter } from '../../../../../src/egress/controller/objects/router.ts';
import type { RouterSummary } from '../../../../../src/egress/controller/status/router-status.ts';
import { RouterStatusWriter } from '../../../../../src/egress/controller/status/status.ts';
import { silentLog } from '../../../../lab/silent-log.ts';
import { documentedEgressRouter } from '../../api/samples.ts';

/** A writer that patches an object in memory. */
function open(status: object, keep: (router: object) => object | [] = (router) => router) {
  const metadata = { namespace: 'shop', name: 'web', uid: 'u', generation: 2, resourceVersion: '1' };
  const lab = { stored: { ...documentedEgressRouter, metadata, status }, writes: 0, now: 1000, keep };
  const api = {
    mergePatch: (_path: string, patch: { status: { routers?: readonly object[] } }) => {
      lab.writes++;
      const routers = patch.status.routers?.flatMap(lab.keep);
      lab.stored = { ...lab.stored, status: { ...patch.status, routers: routers?.length ? routers : undefined } };
      return Promise.resolve(lab.stored);
    },
    create: () => Promise.resolve({}),
  } as unknown as KubeApi;
  const writer = new RouterStatusWriter(
    {
      api,
      log: silentLog,
      events: new EventRecorder(api, 'test', silentLog),
      leadership: { isHeld: true },
      expect: () => () => undefined,
      signal: new AbortController().signal,
    },
    () => lab.now,
  );
  const write = async (image: string): Promise<number> => {
    const router = readRouter(lab.stored);
    assert.ok(router !== undefined);
    const conditions = (['Available', 'Degraded'] as const).map((type) => {
      return { type, status: type === 'Available' ? 'True' : 'False', reason: 'R', message: '' } as const;
    });
    const routers: RouterSummary['routers'] = [{ addresses: ['192.168.12.99'], state: 'Ready', image }];
    await writer.write(router, conditions, { routers, addresses: '192.168.12.99', nodes: '' });
    return lab.writes;
  };
  return { lab, write };
}

describe('The status of a router', () => {
  it('is written once if an older definition of EgressRouter drops newer fields', async () => {
    const { write } = open({}, (router) => {
      const { image: _image, ...rest } = router as { image?: string };
      return rest;
    });
    assert.deepEqual([await write('a'), await write('a'), await write('a')], [1, 1, 1]);
    assert.deepEqual([await write('b'), await write('b')], [2, 2]);
  });

  for (const [name, keep] of [
    ['drops newer fields', (router: object) => ({ ...router, image: undefined })],
    ['has only conditions', () => []],
  ] as const) {
    it(`is written again after a while if the definition of EgressRouter ${name}`, async () => {
      const { lab, write } = open({}, keep);
      assert.deepEqual([await write('a'), await write('a')], [1, 1]);
      // The definition is updated.
      lab.keep = (router) => router;
      lab.now += 11 * 60_000;
      assert.deepEqual([await write('a'), await write('a')], [2, 2]);
      const { routers } = lab.stored.status as { routers?: readonly { image?: string }[] };
      assert.equal(routers?.[0]?.image, 'a');
    });
  }

  it('keeps conditions of other controllers in their places, and a condition about a later generation', async () => {
    const other = { type: 'Approved', status: 'True', reason: 'Manual', message: '' };
    const newer = { type: 'Degraded', status: 'True', reason: 'Newer', message: '', observedGeneration: 3 };
    const { lab, write } = open({ conditions: [other, newer] });
    await write('a');
    const { conditions } = lab.stored.status as unknown as { conditions: { type: string }[] };
    assert.deepEqual(conditions.slice(0, 2), [other, newer]);
    assert.deepEqual(
      conditions.map(({ type }) => type),
      ['Approved', 'Degraded', 'Available'],
    );
    assert.equal(await write('a'), 1);
  });
});
