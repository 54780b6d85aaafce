import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import { clusterPaths as paths } from '../../lab/cluster.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';

const well = ['Available=True RouterReady', 'Progressing=False AsExpected', 'Degraded=False AsExpected'];

/** Each kind has its own connection. A lost one may stay undetected for a minute and a half. */
describe('A controller with a silent watch of routers', () => {
  let lab: ControllerLab;

  beforeEach(async () => {
    lab = new ControllerLab();
    await lab.up();
    lab.putRouter('web');
    lab.start();
    await until(
      () => lab.conditionsOf('web').join() === well.join(),
      () => lab.conditionsOf('web'),
    );
    lab.server.mute.add(paths.routers);
    lab.server.remove(paths.routers, 'shop/web');
  });
  afterEach(() => lab.down());

  /** The garbage collector deleted the objects, and no client writes any more. */
  async function expectQuiet(): Promise<void> {
    await sleep(300);
    const { writes } = lab;
    await sleep(500);
    assert.equal(lab.writes, writes, 'it still writes');
  }

  it('does not recreate the objects of a deleted router', async () => {
    await expectQuiet();
    assert.deepEqual([lab.names('deployments'), lab.names('definitions'), lab.names('pods')], [[], [], []]);
  });

  it('creates those of a new router with the same name once it is observed', async () => {
    lab.putRouter('web', { uid: 'uid-next' });
    await expectQuiet();
    assert.deepEqual(lab.names('pods'), []);
    lab.server.mute.clear();
    lab.server.dropWatches();
    await until(
      () => lab.conditionsOf('web').join() === well.join(),
      () => lab.conditionsOf('web'),
    );
    assert.equal(lab.names('pods').length, 1);
  });
});
