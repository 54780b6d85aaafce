import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { VerbContext } from '../../../../src/egress/cni/context.ts';
import { CniError } from '../../../../src/egress/cni/error.ts';
import { runCheck } from '../../../../src/egress/cni/verbs/check.ts';

describe('CHECK', () => {
  it('reads the attachment under the lock, because another call may have changed it meanwhile', () => {
    const known: (object | undefined)[] = [{ backend: 'nftables' }];
    const done: string[] = [];
    const context = {
      parts: {
        store: { find: () => known.at(-1) },
        openKernel: () => {
          // A DEL held the lock.
          known.push(undefined);
          return { close: () => void done.push('closed'), readNamespace: () => done.push('read') };
        },
      },
      configuration: {
        cniVersion: '1.0.0',
        name: 'router',
        type: 'egress-router',
        ip: { addresses: ['192.0.2.10/24'], gateway: '192.0.2.1', destinations: ['80 TCP 203.0.113.1'] },
        prevResult: { cniVersion: '1.0.0', interfaces: [], ips: [] },
      },
      log: { debug: () => undefined },
    } as unknown as VerbContext;
    const call = { verb: 'CHECK', id: { containerId: 'c', ifname: 'net1' }, netns: '/run/netns/c', args: {} } as const;
    assert.throws(
      () => runCheck(call as unknown as Parameters<typeof runCheck>[0], context),
      (error) => error instanceof CniError && error.message.includes('container c has no attachment net1'),
    );
    assert.deepEqual(done, ['closed']);
  });
});
