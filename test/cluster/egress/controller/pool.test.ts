import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import { clusterPaths as paths } from '../../lab/cluster.ts';
import { addresses, subjects, well } from '../../lab/controller-lab.ts';
import { FailoverLab } from '../../lab/failover-lab.ts';

for (const subject of subjects) {
  describe(`A pool of routers (${subject})`, () => {
    let lab: FailoverLab;
    beforeEach(async () => {
      lab = new FailoverLab(subject);
      await lab.up();
    });
    afterEach(() => lab.down());

    const pods = (): Record<string, string> =>
      Object.fromEntries(lab.pods.map((pod) => [lab.addressOf(pod), pod.metadata.name]));

    async function settled(count: number): Promise<void> {
      await until(
        () => lab.conditionsOf('web').join() === well.join() && lab.names('pods').length === count,
        () => [lab.conditionsOf('web'), lab.names('pods'), lab.messageOf('web', 'Degraded')],
        6000,
      );
    }

    it('has a router for each address behind one Service, and shows the location of each', async () => {
      lab.cluster.putNode('n1');
      lab.putRouter('web', { spec: addresses(99, 100, 101) });
      lab.start();
      await settled(3);
      assert.deepEqual(lab.names('deployments'), [
        'egress-router-cni-deployment',
        'egress-router-cni-deployment-192-168-12-100',
        'egress-router-cni-deployment-192-168-12-101',
      ]);
      assert.deepEqual(Object.keys(pods()).sort(), ['192.168.12.100', '192.168.12.101', '192.168.12.99']);
      const labels = lab.server.all(paths.pods).map(({ metadata }) => metadata.labels as Record<string, string>);
      assert.ok(labels.every((one) => one.app === 'egress-router-cni' && one['egress-router'] === 'web'));
      const status = lab.server.get(paths.routers, 'shop/web')?.status as Record<string, unknown>;
      assert.equal(status.addresses, '192.168.12.99, 192.168.12.100, 192.168.12.101');
      assert.equal(status.nodes, 'n1');
      assert.deepEqual(
        (status.routers as { state: string }[]).map(({ state }) => state),
        ['Ready', 'Ready', 'Ready'],
      );
      assert.match(String(status.configuredSince), /^\d{4}-/);
    });

    it('changes only the router of an added or removed address, including the first one', async () => {
      lab.putRouter('web', { spec: addresses(99, 100) });
      lab.start();
      await settled(2);
      const before = pods();
      lab.putRouter('web', { spec: addresses(99, 100, 101) });
      await settled(3);
      lab.putRouter('web', { spec: addresses(100, 101) });
      await settled(2);
      const after = pods();
      assert.equal(after['192.168.12.100'], before['192.168.12.100'], 'a router that stays was restarted');
      assert.deepEqual(Object.keys(after).sort(), ['192.168.12.100', '192.168.12.101']);
      assert.deepEqual(lab.names('definitions').length, 2);
      // A new one takes the names that became free.
      lab.putRouter('web', { spec: addresses(100, 101, 102) });
      await settled(3);
      assert.ok(lab.names('deployments').includes('egress-router-cni-deployment'));
      assert.equal(pods()['192.168.12.100'], before['192.168.12.100']);
      assert.deepEqual(lab.cluster.doubles, []);
    }).timeout(20_000);

    it('applies changed redirects to all running routers', async () => {
      lab.putRouter('web', { spec: addresses(99, 100) });
      lab.start();
      await settled(2);
      const before = pods();
      const redirectRules = [{ destinationIP: '203.0.113.40', port: 9000, protocol: 'TCP' }];
      lab.putRouter('web', { spec: { ...addresses(99, 100), redirect: { redirectRules } } });
      await until(
        () => lab.generationsOf('web').join() === '2,2,2',
        () => [lab.generationsOf('web'), lab.conditionsOf('web')],
      );
      await settled(2);
      assert.deepEqual(pods(), before);
    });

    it('rejects duplicate addresses and families that do not pair', async () => {
      lab.putRouter('web', { spec: addresses(99, 99) });
      lab.start();
      const expect = (message: RegExp) =>
        until(
          () => message.test(lab.messageOf('web', 'Degraded')),
          () => lab.messageOf('web', 'Degraded'),
        );
      await expect(/addresses\[1\]\.ip "192\.168\.12\.99\/24": appears twice/);
      const two = addresses(99, 100);
      lab.putRouter('web', {
        spec: { ...two, addresses: [...two.addresses, { ip: 'fd00::9/64', gateway: 'fd00::1' }] },
      });
      await expect(/addresses "2 of IPv4, 1 of IPv6": must be one family only/);
      assert.deepEqual(lab.names('pods'), []);
    });
  });

  describe(`A router whose node dies or is cordoned (${subject})`, () => {
    let lab: FailoverLab;

    beforeEach(async () => {
      lab = new FailoverLab(subject);
      await lab.up();
      for (const node of ['n1', 'n2', 'n3']) lab.cluster.putNode(node);
    });
    afterEach(() => lab.down());

    /** Probes in a time after which a Lease that is not renewed has ended, and a silent router is dead. */
    const outage = subject === 'source' ? 50 : 6;

    const podKey = (): string => `shop/${lab.names('pods')[0]}`;

    async function start(...last: readonly number[]): Promise<void> {
      lab.putRouter('web', { spec: addresses(...last) });
      lab.start();
      await lab.works();
    }

    it('runs on another node within the time of three probes, away from the dead one', async () => {
      await start(99);
      const [pod] = lab.server.all(paths.pods);
      assert.ok(pod !== undefined);
      await lab.probed();
      lab.kill('n1');
      await lab.worksOn('n2');
      await until(
        () => lab.eventReasons.includes('NodeGone'),
        () => lab.eventReasons,
      );
      assert.equal(lab.server.get(paths.pods, `shop/${pod.metadata.name}`), undefined, 'the dead pod stays');
    });

    it('is not moved if most nodes are silent at once, because the controller may be disconnected', async () => {
      lab.cluster.spread = true;
      await start(99, 100, 101);
      assert.deepEqual(lab.nodes, ['n1', 'n2', 'n3']);
      await lab.probed();
      for (const node of ['n1', 'n2', 'n3']) lab.kill(node);
      // Dead after three probes.
      await lab.probed(5);
      await lab.settle();
      assert.deepEqual(lab.nodes, ['n1', 'n2', 'n3']);
      assert.ok(!lab.eventReasons.includes('NodeGone'));
    });

    it('is replaced alone if others of its pool are alive', async () => {
      lab.cluster.spread = true;
      await start(99, 100, 101);
      await lab.probed();
      const before = lab.server.all(paths.pods).map(({ metadata }) => metadata.uid);
      lab.kill('n2');
      await until(
        () => !lab.nodes.includes('n2') && lab.nodes.length === 3 && lab.conditionsOf('web').join() === well.join(),
        () => [lab.nodes, lab.conditionsOf('web')],
        5000,
      );
      const after = new Set(lab.server.all(paths.pods).map(({ metadata }) => metadata.uid));
      assert.equal(before.filter((uid) => after.has(uid)).length, 2);
    });

    it('is not moved while the API server does not answer', async () => {
      await start(99);
      await lab.probed();
      lab.server.isSilent = true;
      lab.kill('n1');
      await lab.probed(outage);
      assert.deepEqual(lab.nodes, ['n1']);
      assert.ok(!lab.server.unanswered.some((line) => line.startsWith('DELETE ')), lab.server.unanswered.join());
    });

    it('is moved when the API server answers again', async () => {
      await start(99);
      await lab.probed();
      lab.server.isSilent = true;
      lab.kill('n1');
      await lab.probed(outage);
      assert.deepEqual(lab.nodes, ['n1']);
      lab.server.isSilent = false;
      await until(
        () => lab.nodes.join() === 'n2',
        () => [lab.nodes, lab.eventReasons],
        8000,
      );
    }).timeout(20_000);

    it('leaves a dead node together with all routers there', async () => {
      await start(...Array.from({ length: 14 }, (_, index) => 100 + index));
      assert.deepEqual(new Set(lab.nodes), new Set(['n1']));
      await lab.probed();
      lab.kill('n1');
      await until(
        () => lab.nodes.length === 14 && lab.nodes.every((node) => node === 'n2'),
        () => [lab.nodes, lab.eventReasons],
        6000,
      );
    }).timeout(20_000);

    for (const [what, leave] of [
      ['cordoned', () => undefined],
      // By another client, like a drain.
      ['drained', () => lab.server.end?.(paths.pods, podKey(), 1)],
    ] as const) {
      it(`may return to a node that died and recovered when its next one is ${what}`, async () => {
        await start(99);
        await lab.probed();
        lab.kill('n1');
        await lab.areOn('n2');
        lab.revive('n1');
        lab.cluster.putNode('n3', true);
        lab.cluster.putNode('n2', true);
        leave();
        await lab.worksOn('n1');
      }).timeout(20_000);
    }

    it('does not return to a dead node whose kubelet last reported that it was healthy', async () => {
      await start(99);
      await lab.probed();
      lab.kill('n1');
      await lab.areOn('n2');
      lab.cluster.putNode('n3', true);
      lab.cluster.putNode('n2', true);
      await lab.settle();
      assert.deepEqual(lab.nodes, ['n2'], 'it has nowhere else to go');
      // Its node dies, too, while the first one is still believed to be well.
      lab.kill('n2');
      // It counts as dead.
      await lab.probed(5);
      await lab.settle();
      lab.cluster.putNode('n3');
      await lab.areOn('n3');
    }).timeout(20_000);

    it('leaves a node that is cordoned', async () => {
      await start(99);
      lab.cluster.putNode('n1', true);
      await lab.worksOn('n2');
      assert.ok(lab.eventReasons.includes('NodeLeft'));
    });

    it('stays on a cordoned node if there is no other', async () => {
      await start(99);
      for (const node of ['n2', 'n3', 'n1']) lab.cluster.putNode(node, true);
      await lab.settle();
      assert.deepEqual(lab.nodes, ['n1']);
    });
  });
}
