import assert from 'node:assert/strict';
import { silentLog } from '../../../../../src/base/daemon/log.ts';
import type { KubeApi } from '../../../../../src/base/kubernetes/cluster-api.ts';
import { EventRecorder } from '../../../../../src/base/kubernetes/events.ts';
import { readRouter } from '../../../../../src/egress/controller/objects/router.ts';
import type { RouterSummary } from '../../../../../src/egress/controller/status/router-status.ts';
import { RouterStatusWriter } from '../../../../../src/egress/controller/status/status.ts';
import { documentedEgressRouter } from '../../api/samples.ts';

describe('The status of a router', () => {
  it('is written once where an older definition of EgressRouter drops newer fields', async () => {
    let stored: Record<string, unknown> = {
      ...documentedEgressRouter,
      metadata: { namespace: 'shop', name: 'web', uid: 'u', generation: 1, resourceVersion: '1' },
    };
    let writes = 0;
    const api = {
      mergePatch: (_path: string, patch: { status: { routers: readonly object[] } }) => {
        writes++;
        // It knows of addresses and states alone.
        const routers = patch.status.routers.map((router) => {
          const { image: _image, ...rest } = router as { image?: string };
          return rest;
        });
        stored = { ...stored, status: { ...patch.status, routers } };
        return Promise.resolve(stored);
      },
      create: () => Promise.resolve({}),
    } as unknown as KubeApi;
    const writer = new RouterStatusWriter({
      api,
      log: silentLog,
      events: new EventRecorder(api, 'test', silentLog),
      leadership: { isHeld: true },
      expect: () => () => undefined,
      signal: new AbortController().signal,
    });
    const summary = (image: string): RouterSummary => ({
      routers: [{ addresses: ['192.168.12.99'], state: 'Ready', image }],
      addresses: '192.168.12.99',
      nodes: '',
    });
    const conditions = [{ type: 'Available', status: 'True', reason: 'RouterReady', message: '' }] as const;
    const write = async (image: string): Promise<number> => {
      const router = readRouter(stored);
      assert.ok(router !== undefined);
      await writer.write(router, conditions, summary(image));
      return writes;
    };
    assert.deepEqual([await write('a'), await write('a'), await write('a')], [1, 1, 1]);
    assert.deepEqual([await write('b'), await write('b')], [2, 2]);
  });
});
