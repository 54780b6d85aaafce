import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { askMaster, readProcesses } from '../../../../src/ingress/haproxy/master.ts';
import { childOf, HttpNode } from '../../../lab/http-node.ts';
import { until } from '../../../until.ts';
import { route, service } from './objects.ts';

const websocket = [
  'GET /socket HTTP/1.1',
  'Host: web.test',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');

describe('HAProxy in its own container, compiled, each with the rights of the manifest', function () {
  this.timeout(60_000);
  const node = new HttpNode('erl7c');
  let keeper: ChildProcess;

  async function expectServer(host: string, server: string): Promise<void> {
    let last: unknown;
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
      last = await node.ask('http', host, '/');
      if ((last as { echo?: { server: string } }).echo?.server === server) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail(`${JSON.stringify(last)}\n${node.log.slice(-4000)}`);
  }
  const processes = async () =>
    readProcesses(await askMaster(join(node.folder, 'haproxy/master.sock'), 'show proc').catch(() => ''));

  before(async () => {
    await node.up();
    await node.serve({ name: 's8001', port: 8001 });
    await node.serve({ name: 's8002', port: 8002 });
    node.write('web', route('web', 'web.test'), ...service('web', [8001]));
    keeper = node.keepHaproxy('--shutdown-delay', '1s', '--shutdown-timeout', '20s');
    node.launchBesideHaproxy();
    await node.ready();
  });
  after(() => {
    keeper.kill('SIGKILL');
    node.down();
  });

  it('is started and controlled by the agent', async () => {
    await expectServer('web.test', 's8001');
    node.write('more', route('more', 'more.test', { service: 'more' }), ...service('more', [8002]));
    await expectServer('more.test', 's8002');
  });

  it('keeps running when the agent is killed, and the next agent adopts it', async () => {
    assert.match((await node.raw(websocket, 'socket')).body, /^HTTP\/1.1 101/);
    // Files follow a moment after HAProxy; an agent killed before makes the next one reload.
    await until(
      () => !existsSync(join(node.folder, 'haproxy/current/state/changing')),
      () => node.log.slice(-2000),
    );
    const first = await processes();
    await node.end('SIGKILL');
    await expectServer('web.test', 's8001');
    node.launchBesideHaproxy();
    await node.ready();
    assert.deepEqual(await processes(), first);
    assert.equal(await node.say('socket', 'still here'), 'still here');
    node.write('later', route('later', 'later.test'));
    await expectServer('later.test', 's8001');
  });

  it('serves the configuration on disk when its container restarts while no agent runs', async () => {
    await node.end('SIGTERM');
    await expectServer('later.test', 's8001');
    process.kill(childOf(keeper), 'SIGKILL');
    await until(
      () => keeper.exitCode !== null || keeper.signalCode !== null,
      () => node.log.slice(-2000),
    );
    keeper = node.keepHaproxy('--shutdown-delay', '1s', '--shutdown-timeout', '20s');
    await expectServer('later.test', 's8001');
    node.launchBesideHaproxy();
    await node.ready();
    await expectServer('web.test', 's8001');
  });

  it('is restarted by the agent when it was killed or hangs, which readiness shows', async () => {
    const workers = () => pidsOf(join(node.folder, 'haproxy/master.sock'));
    for (const pid of workers()) process.kill(pid, 'SIGKILL');
    await expectServer('web.test', 's8001');
    await node.ready();
    const [worker] = workers().slice(-1);
    process.kill(worker ?? 0, 'SIGSTOP');
    const readiness = async () =>
      (await node.ask('http', 'localhost', '/readyz', { address: '127.0.0.1', port: 1936 })).body;
    const health = async () =>
      (await node.ask('http', 'localhost', '/healthz', { address: '127.0.0.1', port: 1936 })).status;
    let last = '';
    for (const deadline = Date.now() + 20_000; Date.now() < deadline && !/answered no request/.test(last); ) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      last = await readiness();
    }
    assert.match(last, /^HAProxy has answered no request for \d+ s/);
    assert.equal(await health(), 200);
    for (const deadline = Date.now() + 50_000; Date.now() < deadline && last.trim() !== 'ok'; ) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      last = await readiness();
    }
    assert.equal(last.trim(), 'ok');
    await expectServer('web.test', 's8001');
  });

  it('shuts down gracefully with the pod: it serves for the delay, and lets connections end', async () => {
    assert.match((await node.raw(websocket, 'last')).body, /^HTTP\/1.1 101/);
    await node.end('SIGTERM');
    process.kill(childOf(keeper), 'SIGTERM');
    assert.equal((await node.ask('http', 'web.test', '/')).status, 200);
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
      if ((await node.ask('http', 'web.test', '/')).status !== 200) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.notEqual((await node.ask('http', 'web.test', '/')).status, 200);
    assert.equal(await node.say('last', 'still here'), 'still here');
    await until(
      () => keeper.exitCode !== null || keeper.signalCode !== null,
      () => node.log.slice(-2000),
      40_000,
    );
    assert.equal(keeper.exitCode, 0);
  });
});

/** Processes that have a text on their command line, in the order in which they started. */
function pidsOf(text: string): number[] {
  return execFileSync('pgrep', ['-f', '--', text]).toString().trim().split('\n').map(Number);
}
