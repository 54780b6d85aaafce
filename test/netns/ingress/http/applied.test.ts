import assert from 'node:assert/strict';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { findTool } from '../../../../src/base/linux/rule-tools.ts';
import { HttpNode } from '../../../lab/http-node.ts';
import { route, service } from './objects.ts';

describe('statuses of hosts and paths, by the agent as built', () => {
  let node: HttpNode;

  beforeEach(async () => {
    node = new HttpNode('erhv', { RELOAD_INTERVAL: '3s', ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms' });
    await node.up();
    await node.serve({ name: 'pod', port: 8001 });
    node.write('services', ...service('web', [8001]));
    node.write('web', route('web', 'web.test'));
  });

  afterEach(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  async function expectVerdict(name: string, verdict: string, longest = 20_000): Promise<void> {
    const shown = (): string => node.status(name)?.verdict ?? 'nothing';
    for (const deadline = Date.now() + longest; shown() !== verdict; ) {
      assert.ok(Date.now() < deadline, `${shown()}\n${node.log.slice(-2000)}`);
      assert.notEqual(shown(), 'True');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it('admit no Route while HAProxy is down, report it, and recover with it', async () => {
    const broken = join(node.folder, 'broken');
    const binary = join(node.folder, 'haproxy-or-not');
    writeFileSync(broken, '');
    writeFileSync(binary, `#!/bin/sh\n[ -e ${broken} ] && exit 1\nexec ${findTool('haproxy')} "$@"\n`);
    chmodSync(binary, 0o755);
    node.launch('--haproxy-binary', binary, '--cleanup-on-exit');
    await expectVerdict('web', 'False NotApplied');
    assert.match(node.status('web')?.message ?? '', /^HAProxy does not run on node /);
    rmSync(broken);
    await node.ready();
    for (const deadline = Date.now() + 10_000; node.status('web')?.verdict !== 'True'; ) {
      assert.ok(Date.now() < deadline, node.log.slice(-2000));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal((await node.ask('http', 'web.test', '/')).echo?.server, 'pod');
  }).timeout(90_000);

  it('admit a Route that waits for a reload of HAProxy when it is served', async () => {
    await node.start('--cleanup-on-exit');
    await expectVerdict('web', 'True');
    const response = [{ name: 'x-team', action: { type: 'Set', set: { value: 'shop' } } }];
    const httpHeaders = { actions: { response } };
    // Each needs a section of its own, which only a reload makes; the second waits for the interval.
    for (const name of ['one', 'two']) {
      node.write(name, route(name, `${name}.test`, { spec: { httpHeaders } }));
      let early = 0;
      for (const deadline = Date.now() + 20_000; node.status(name)?.verdict !== 'True'; early++) {
        assert.ok(Date.now() < deadline, node.log.slice(-2000));
        assert.equal(node.status(name), undefined);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const { status, headers } = await node.ask('http', `${name}.test`, '/');
      assert.deepEqual([status, headers['x-team']], [200, 'shop'], `after ${early} checks`);
    }
  }).timeout(60_000);
});
