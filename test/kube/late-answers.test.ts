import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../until.ts';
import { clusterPaths as paths } from './cluster.ts';
import { ControllerLab } from './controller-lab.ts';

const well = ['Available=True RouterReady', 'Progressing=False AsExpected', 'Degraded=False AsExpected'];
const status = /PATCH .*\/egressrouters\/web\/status/;

/** Connections to the API server are many: an answer may come after events that are newer, and a watch may say nothing. */
describe('A controller whose answers and events come in another order', () => {
  let lab: ControllerLab;

  beforeEach(async () => {
    lab = new ControllerLab();
    await lab.up();
    lab.putRouter('web');
    lab.start();
    await until(
      () => lab.conditionsOf('web').join() === well.join() && lab.generationsOf('web').join() === '1,1,1',
      () => lab.conditionsOf('web'),
    );
  });
  afterEach(() => lab.down());

  /** Somebody empties the status, and the answer to the controller's own is held back. */
  async function holdStatus(): Promise<() => void> {
    const router = lab.server.get(paths.routers, 'shop/web');
    assert.ok(router);
    const release = lab.server.delay(status);
    lab.server.put(paths.routers, { ...router, status: {} });
    await until(() => lab.server.delaysLeft === 0, configuration);
    return release;
  }

  const redirectTo = (port: number): object => ({
    redirect: { redirectRules: [{ destinationIP: '203.0.113.26', port, protocol: 'TCP' }] },
  });
  const configuration = (): string =>
    JSON.stringify(lab.server.get(paths.definitions, 'shop/egress-router-cni-nad')?.spec ?? {});

  it('does not lose a change that was made while the answer to a status was under way', async () => {
    const release = await holdStatus();
    lab.putRouter('web', { spec: redirectTo(2222) });
    await sleep(100);
    release();
    await until(() => configuration().includes('2222'), configuration);
  });

  it('does not bring back a router that was deleted while the answer to a status was under way', async () => {
    const release = await holdStatus();
    lab.server.remove(paths.routers, 'shop/web');
    await sleep(100);
    release();
    await expectNothing();
  });

  it('does not make the objects again of a router that is deleted, where the watch of routers is silent', async () => {
    lab.server.mute.add(paths.routers);
    lab.server.remove(paths.routers, 'shop/web');
    await expectNothing();
  });

  /** Objects end, and nobody makes them again. */
  async function expectNothing(): Promise<void> {
    const left = (): string[] => [...lab.names('deployments'), ...lab.names('definitions'), ...lab.names('pods')];
    await sleep(300);
    const before = lab.server.requests.length;
    await sleep(500);
    const made = lab.server.requests.slice(before).filter((line) => line.startsWith('PATCH'));
    assert.deepEqual([left(), made], [[], []]);
  }
});
