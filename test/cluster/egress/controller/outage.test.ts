import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import { clusterPaths as paths } from '../../lab/cluster.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';

const well = ['Available=True RouterReady', 'Progressing=False AsExpected', 'Degraded=False AsExpected'];

describe('A router that changes during an outage of the API server', () => {
  let lab: ControllerLab;

  beforeEach(async () => {
    lab = new ControllerLab();
    await lab.up();
    lab.putRouter('web');
    lab.start();
    await isWell();
  });
  afterEach(() => lab.down());

  const isWell = (generation = 1): Promise<void> =>
    until(
      () => lab.conditionsOf('web').join() === well.join() && lab.generationsOf('web')[0] === generation,
      () => [lab.conditionsOf('web'), lab.generationsOf('web')],
      8000,
    );

  function change(): void {
    const redirectRules = [{ destinationIP: '203.0.113.40', port: 9000, protocol: 'TCP' }];
    lab.putRouter('web', { spec: { redirect: { redirectRules } } });
  }

  /** Makes the server unreachable for some time. */
  async function beAway(milliseconds: number): Promise<void> {
    for (let count = 0; count < 10_000; count++) lab.server.fail({ on: /./, answer: 'cut' });
    lab.server.dropConnections();
    await sleep(milliseconds);
    lab.server.clearFaults();
  }

  it('keeps its pod, whose node can only report afterwards that the change is applied', async () => {
    const [pod] = lab.names('pods');
    lab.cluster.hasNodeDaemon = false;
    change();
    await until(
      () => JSON.stringify(lab.server.all(paths.definitions)).includes('203.0.113.40'),
      () => lab.server.all(paths.definitions),
    );
    await sleep(50);
    // Longer than a daemon has for its answer.
    await beAway(1500);
    await sleep(500);
    lab.cluster.hasNodeDaemon = true;
    lab.cluster.act();
    await isWell(2);
    assert.deepEqual(lab.names('pods'), [pod]);
  });

  it('keeps its pod, which reports the applied change, although the watch of pods is silent', async () => {
    const [pod] = lab.names('pods');
    lab.server.mute.add(paths.pods);
    change();
    await sleep(2000);
    lab.server.mute.clear();
    lab.server.dropWatches();
    await isWell(2);
    assert.deepEqual(lab.names('pods'), [pod]);
  });
});
