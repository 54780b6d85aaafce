import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import { clusterPaths as paths, ready } from '../../lab/cluster.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';

const well = ['Available=True RouterReady', 'Progressing=False AsExpected', 'Degraded=False AsExpected'];

/** A spec with addresses that end so. */
const spec = (last: readonly number[], master?: string): object => ({
  addresses: last.map((one) => ({ ip: `192.168.12.1${one}/24`, gateway: '192.168.12.1' })),
  redirect: { redirectRules: [{ destinationIP: '203.0.113.26', port: 8080, protocol: 'TCP' }] },
  networkInterface: { macvlan: { mode: 'Bridge', ...(master !== undefined && { master }) } },
});

describe('An address that two EgressRouters request', () => {
  let lab: ControllerLab;
  /** Pods that were there while another had their address. */
  let doubles: string[];

  beforeEach(async () => {
    lab = new ControllerLab();
    lab.cluster.podStatus = (pod) =>
      ready(
        pod,
        [1, 2, 3, 4].map((one) => `192.168.12.1${one}`),
      );
    doubles = [];
    lab.server.onChange(() => {
      const keys = lab.server
        .all(paths.pods)
        .map(({ metadata }) => String((metadata.labels as Record<string, string>)['egress-router-member']));
      doubles.push(...keys.filter((key, index) => keys.indexOf(key) < index));
    });
    await lab.up();
    lab.start();
  });
  afterEach(() => lab.down());

  const expect = (name: string, wanted: readonly string[] = well): Promise<void> =>
    until(
      () => lab.conditionsOf(name).join() === wanted.join(),
      () => [name, lab.conditionsOf(name), lab.messageOf(name, 'Degraded'), lab.names('pods')],
      5000,
    );
  const taken = ['Available=False AddressTaken', 'Progressing=False AddressTaken', 'Degraded=True AddressTaken'];

  it('stays with its owner, even a younger one, and moves to the other when the owner is deleted', async () => {
    lab.putRouter('young', { seconds: 9, spec: spec([1]) });
    await expect('young');
    const before = lab.names('pods');
    lab.putRouter('old', { seconds: 1, spec: spec([1]) });
    await expect('old', taken);
    assert.match(lab.messageOf('old', 'Degraded'), /192\.168\.12\.11 belongs to EgressRouter young/);
    assert.deepEqual(lab.names('pods'), before);
    await expect('young');
    lab.server.remove(paths.routers, 'shop/young');
    await expect('old');
    assert.deepEqual(doubles, []);
  }).timeout(15_000);

  it('goes to the older one if it is free, while the rest of a pool continues', async () => {
    lab.putRouter('young', { seconds: 9, spec: spec([1, 2]) });
    lab.putRouter('old', { seconds: 1, spec: spec([1]) });
    await expect('old');
    await expect('young', [
      'Available=True PoolPartlyReady',
      'Progressing=False AddressTaken',
      'Degraded=True AddressTaken',
    ]);
    assert.deepEqual(doubles, []);
  });

  it("stays with its owner while the owner's spec is invalid", async () => {
    lab.putRouter('web', { spec: spec([1]) });
    await expect('web');
    lab.putRouter('next', { spec: spec([1]) });
    await expect('next', taken);
    lab.putRouter('web', { spec: { ...spec([1]), redirect: { redirectRules: [{ port: 0 }] } } });
    await until(
      () => lab.conditionsOf('web')[2] === 'Degraded=True InvalidSpec',
      () => lab.conditionsOf('web'),
    );
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await expect('next', taken);
    assert.equal(lab.names('pods').length, 1);
  }).timeout(10_000);

  it('does not reveal names of another namespace', async () => {
    lab.putRouter('web', { spec: spec([1]) });
    await expect('web');
    const web = lab.server.get(paths.routers, 'shop/web');
    assert.ok(web !== undefined);
    lab.server.put(paths.routers, {
      ...web,
      metadata: { ...web.metadata, namespace: 'other', name: 'mine', uid: 'uid-mine' },
      status: undefined,
    });
    const degraded = () => {
      const { conditions = [] } = (lab.server.get(paths.routers, 'other/mine')?.status ?? {}) as {
        conditions?: { type: string; message: string }[];
      };
      return conditions.find(({ type }) => type === 'Degraded')?.message ?? '';
    };
    await until(() => /192\.168\.12\.11 belongs to an EgressRouter of another namespace/.test(degraded()), degraded);
    assert.doesNotMatch(degraded(), /web|shop/);
  });

  it('counts as two addresses on two networks', async () => {
    lab.putRouter('one', { spec: spec([1], 'eth1') });
    lab.putRouter('two', { spec: spec([1], 'eth2') });
    await expect('one');
    await expect('two');
  });

  it('moves from one to the other, and is never in two places', async () => {
    lab.cluster.endTime = 200;
    lab.putRouter('one', { spec: spec([1, 2]) });
    lab.putRouter('two', { spec: spec([3]) });
    await expect('one');
    await expect('two');
    lab.putRouter('two', { spec: spec([3, 2]) });
    lab.putRouter('one', { spec: spec([1]) });
    await until(
      () => lab.generationsOf('two').join() === '2,2,2' && lab.conditionsOf('two').join() === well.join(),
      () => [lab.conditionsOf('two'), lab.generationsOf('two')],
      5000,
    );
    await expect('one');
    assert.deepEqual(doubles, []);
  }).timeout(15_000);
});
