import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import { type AgentPod, RolloutLab } from './rollout-lab.ts';

describe('a rollout of the ingress agent, compiled, with the rights of its manifest', function () {
  this.timeout(180_000);
  let world: RolloutLab;
  let first: AgentPod;
  let second: AgentPod;
  before(async () => {
    world = await RolloutLab.up();
    first = world.startPod('11111111-1111-4111-8111-111111111111');
    await first.untilStarted();
  });
  after(() => world.down());

  it('fails no request and applies every change while it happens', async () => {
    await world.startLoad();
    const endChanges = world.startChanges();
    await sleep(1000);
    second = world.startPod('22222222-2222-4222-8222-222222222222');
    await second.untilStarted();
    assert.equal(await first.hasStarted(), false);
    assert.match(first.probe, /another agent of this node/);
    await world.untilReady();
    // The kubelet ends both containers at once.
    const ended = first.end('agent', 'SIGTERM');
    const keeperEnded = first.end('keeper', 'SIGTERM');
    await ended;
    await sleep(500);
    const changes = await endChanges();
    const delays = changes.flatMap(({ host, port, listener }) => [host, port, listener]);
    const { requests, failures } = await world.stopLoad(false);
    assert.deepEqual(failures, [], world.logs);
    assert.ok(requests > 100, String(requests));
    assert.ok(delays.length > 5, String(delays.length));
    // Far less than the time for which the old HAProxy would serve alone, even on a busy machine.
    assert.ok(Math.max(...delays) < 30_000, JSON.stringify(changes));
    // HAProxy of the old pod still has its connection, and nothing but that.
    assert.equal(first.keeper.exitCode, null);
    assert.deepEqual((await world.stopLoad()).failures, []);
    await keeperEnded;
    assert.equal(await world.countTables(), 1);
    assert.ok((await world.change()).port >= 0);
  });

  it('leaves no files of the old pod, and none that others could read', async () => {
    assert.deepEqual(
      readdirSync(world.shared).filter((name) => name.startsWith('11111111') || name.startsWith('22222222')),
      ['22222222-2222'],
    );
    for (const folder of [world.shared, join(world.shared, '22222222-2222')]) {
      assert.equal(statSync(folder).mode & 0o777, 0o700);
    }
  });

  it('returns to the old pod when the new one is killed, and to the new one when it runs again', async () => {
    const third = world.startPod('33333333-3333-4333-8333-333333333333');
    await third.untilStarted();
    await world.startLoad();
    const endChanges = world.startChanges();
    await third.end('agent', 'SIGKILL');
    await until(
      () => second.hasStarted(),
      () => world.logs,
      60_000,
    );
    third.startAgent();
    await third.untilStarted();
    assert.equal(await second.hasStarted(), false);
    // A rollback ends the new pod.
    const ended = [third.end('agent', 'SIGTERM'), third.end('keeper', 'SIGTERM')];
    await ended[0];
    await second.untilStarted();
    await endChanges();
    assert.deepEqual((await world.stopLoad()).failures, [], world.logs);
    await Promise.all(ended);
    assert.equal(existsSync(join(world.shared, '33333333-3333')), false);
    await world.untilReady();
  });

  it('takes over from an agent that is killed, or killed while it is asked', async () => {
    await world.startLoad();
    const endChanges = world.startChanges();
    const fourth = world.startPod('44444444-4444-4444-8444-444444444444');
    await until(
      () => existsSync(join(world.shared, '44444444-4444', 'admin.sock')),
      () => world.logs,
      60_000,
    );
    await second.end('agent', 'SIGKILL');
    await fourth.untilStarted();
    // The old container runs again, and must not take the node back.
    second.startAgent();
    await sleep(1500);
    assert.equal(await fourth.hasStarted(), true);
    assert.equal(await second.hasStarted(), false);
    const ended = [second.end('agent', 'SIGTERM'), second.end('keeper', 'SIGTERM')];
    await ended[0];
    await endChanges();
    assert.deepEqual((await world.stopLoad()).failures, [], world.logs);
    await Promise.all(ended);
    await Promise.all([fourth.end('agent', 'SIGTERM'), fourth.end('keeper', 'SIGKILL')]);
  });

  it('takes over from a version that cannot hand over, as soon as that ends', async () => {
    const old = world.startPod();
    await world.untilReady();
    await world.startLoad();
    const next = world.startPod('55555555-5555-4555-8555-555555555555');
    await next.untilStarted();
    await old.end('agent', 'SIGTERM');
    await world.untilReady();
    await Promise.all([world.change(), world.change()]);
    // Connections to ports are the kernel’s. Two HAProxies without common sockets cannot save those in their queues.
    const { failures } = await world.stopLoad();
    assert.deepEqual(
      failures.filter((one) => one.includes('13306')),
      [],
      world.logs,
    );
    assert.equal(await world.countTables(), 1);
  });
});
