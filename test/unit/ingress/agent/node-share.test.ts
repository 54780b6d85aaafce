import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { joinNode, type NodeShare } from '../../../../src/ingress/agent/node-share.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { until } from '../../../until.ts';

describe('joinNode', () => {
  const shared = mkdtempSync(join(tmpdir(), 'erns-'));
  const shares: NodeShare[] = [];
  after(async () => {
    for (const share of shares) await share.close();
    rmSync(shared, { recursive: true });
  });

  it('hands the node over without waiting for the API server', async () => {
    const calls: string[] = [];
    const add = async (uid: string): Promise<NodeShare> => {
      const call = (name: string) => () => void calls.push(`${uid} ${name}`);
      const agent = {
        prepare: async () => true,
        takeOver: call('takes over'),
        handOver: async () => call('hands over')(),
        obstacle: undefined,
      };
      const keeper = { start: call('writes addresses'), pause: call('writes no addresses') };
      // The API server does not answer.
      const lease = { start: call('is a candidate'), release: () => new Promise<void>(call('releases')) };
      const share = await joinNode({ shared, uid }, { agent, keeper, lease }, silentLog);
      shares.push(share);
      return share;
    };
    const first = await add('first');
    await until(
      () => first.isOwner && calls.length === 3,
      () => calls,
    );
    const second = await add('second');
    await until(
      () => second.isOwner && calls.length === 9,
      () => calls,
    );
    assert.deepEqual(calls, [
      'first takes over',
      'first writes addresses',
      'first is a candidate',
      'first writes no addresses',
      'first hands over',
      'first releases',
      'second takes over',
      'second writes addresses',
      'second is a candidate',
    ]);
    assert.equal(first.isOwner, false);
  });
});
