import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import { clusterPaths as paths } from '../../lab/cluster.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';

/** Each kind has its own connection. A lost one may stay undetected for a minute and a half. */
describe('A controller with a silent watch of routers', () => {
  let lab: ControllerLab;

  beforeEach(async () => {
    lab = new ControllerLab();
    await lab.up();
    lab.putRouter('web');
    lab.start();
    await lab.works();
    lab.server.mute.add(paths.routers);
    lab.server.remove(paths.routers, 'shop/web');
  });
  afterEach(() => lab.down());

  it('does not recreate the objects of a deleted router', async () => {
    await isQuiet();
    assert.deepEqual([lab.names('deployments'), lab.names('definitions'), lab.names('pods')], [[], [], []]);
  });

  it('creates those of a new router with the same name once it is observed', async () => {
    lab.putRouter('web', { uid: 'uid-next' });
    await isQuiet();
    assert.deepEqual(lab.names('pods'), []);
    lab.server.mute.clear();
    lab.server.dropWatches();
    await lab.works();
    assert.equal(lab.names('pods').length, 1);
  });

  /** Waits until the garbage collector has deleted the objects, and the controller has seen so and writes nothing. */
  async function isQuiet(): Promise<void> {
    const left = (): string[] => [...lab.names('deployments'), ...lab.names('definitions'), ...lab.names('pods')];
    await until(() => left().length === 0, left);
    await reconciled('n1');
    const { writes } = lab;
    for (const node of ['n2', 'n3']) await reconciled(node);
    assert.equal(lab.writes, writes, 'it still writes');
  }

  /** A new node makes the controller reconcile everything, for which it reads the router that it believes to exist. */
  async function reconciled(node: string): Promise<void> {
    const reads = (): number => lab.server.requests.filter((line) => /^GET .*\/egressrouters\/web/.test(line)).length;
    const before = reads();
    lab.cluster.putNode(node);
    await until(() => reads() > before, reads);
  }
});
