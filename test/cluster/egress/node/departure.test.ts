import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, it } from 'mocha';
import { executable } from '../../../lab/executable.ts';
import { addresses as at } from '../../../lab/names.ts';
import { StallWatch } from '../../../lab/stall-watch.ts';
import { until } from '../../../until.ts';
import { type Place, secondPod, TwoNodes } from '../../lab/two-nodes.ts';

const leaving: Place = { node: 'node', pod: 'pod', name: 'old' };
const answer = `${at.reserved[4]} ${at.web[4]} 80`;

/** As in the pod's container. */
const rights = ['--reuid', '65532', '--regid', '65532', '--clear-groups', '--bounding-set=-all', '--no-new-privs'];

describe('a router whose pod is terminated, as built', () => {
  let nodes: TwoNodes;
  let child: ChildProcess;

  afterEach(async () => {
    child.kill('SIGKILL');
    await nodes.down();
  });

  /** Starts the first router with the program of its pod. */
  async function start(second: 'node' | 'node2'): Promise<void> {
    nodes = await TwoNodes.up('erdep', second);
    const { lab } = nodes;
    await nodes.addRouter(leaving);
    const program = [executable('egress-router-pod'), 'run'];
    child = spawn('ip', ['netns', 'exec', lab.netns('pod'), 'setpriv', ...rights, ...program], { stdio: 'ignore' });
    const isReady = async () => {
      const status = await lab.run('phys', 'cat', [`/proc/${child.pid}/status`]);
      // SIGTERM, for which it has a handler by now.
      return (BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`) & (1n << 14n)) !== 0n;
    };
    await until(isReady, () => 'no handler', 20_000);
  }

  function terminate(): void {
    nodes.deletePod('old', true);
    child.kill('SIGTERM');
  }

  for (const [where, node] of [
    ['another node', 'node2'],
    ['its own node', 'node'],
  ] as const) {
    it(`works until its successor on ${where} has the address, and then ends without a conflict`, async () => {
      await start(node);
      const { lab } = nodes;
      const client = await lab.agent('node');
      await client.hammer('before', 'tcp', at.pod[4], 8080, { timeout: 900 });
      const exit = once(child, 'exit');
      const begin = performance.now();
      terminate();
      // Longer than the node daemon and the pod's program need to react.
      await new Promise((resolve) => setTimeout(resolve, 1000));
      assert.ok(child.exitCode === null || performance.now() - begin > 3900, 'it ended before there was a successor');
      assert.deepEqual(Object.keys(await client.stopHammer('before')), [answer]);
      await nodes.addRouter({ node, pod: 'extra', name: 'new' });
      assert.deepEqual(await exit, [0, null]);
      await until(
        () => nodes.daemons[0]?.output.includes('its successor has the address') === true,
        () => nodes.logs(),
        20_000,
      );
      const claims = await nodes.captureClaims('pod');
      const other = await lab.agent(node);
      await other.hammer('after', 'tcp', secondPod.pod[4], 8080, { timeout: 900 });
      await new Promise((resolve) => setTimeout(resolve, 1000));
      assert.deepEqual(await claims.stop(), []);
      assert.deepEqual(Object.keys(await other.stopHammer('after')), [answer]);
      const reasons = nodes.events.map(({ reason }) => reason);
      assert.deepEqual(reasons, [], nodes.logs().join('\n'));
    }).timeout(60_000);
  }

  it('is missed for at most two seconds until its successor, which starts later, is ready', async () => {
    await start('node2');
    const { lab } = nodes;
    const client = await lab.agent('node');
    const stalls = new StallWatch();
    await stalls.start();
    try {
      let answeredAt = 0;
      let isOver = false;
      const asking = (async () => {
        while (!isOver) {
          const isServed = (await client.reach('tcp', at.pod[4], 8080, { timeout: 300 })) === answer;
          if (isServed) answeredAt = Date.now();
        }
      })();
      await until(
        () => answeredAt > 0,
        () => nodes.logs(),
        20_000,
      );
      terminate();
      // The scheduler, the kubelet and the runtime take some time before they call the plugin.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await nodes.addRouter({ node: 'node2', pod: 'extra', name: 'new' }, { hasGate: true });
      await until(
        () => nodes.isReady('new'),
        () => nodes.logs(),
        20_000,
      );
      const readyAt = Date.now();
      isOver = true;
      await asking;
      const missed = readyAt - answeredAt;
      const allowed = 2000 + (await stalls.during(answeredAt, readyAt));
      assert.ok(missed <= allowed, `${missed} ms; allowed ${allowed} ms`);
    } finally {
      stalls.stop();
    }
  }).timeout(60_000);

  it('ends after four seconds without a successor', async () => {
    await start('node2');
    const client = await nodes.lab.agent('node');
    await client.hammer('load', 'tcp', at.pod[4], 8080, { timeout: 900 });
    const begin = performance.now();
    const exit = once(child, 'exit');
    terminate();
    assert.deepEqual(await exit, [0, null]);
    assert.ok(performance.now() - begin > 3900);
    assert.deepEqual(Object.keys(await client.stopHammer('load')), [answer]);
  }).timeout(60_000);
});
