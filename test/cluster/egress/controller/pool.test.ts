import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SilentAddresses } from '../../../lab/silence.ts';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { clusterPaths as paths, ready } from '../../lab/cluster.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';

const well = ['Available=True RouterReady', 'Progressing=False AsExpected', 'Degraded=False AsExpected'];
const addresses = (...last: readonly number[]) => ({
  addresses: last.map((one) => ({ ip: `192.168.12.${one}/24`, gateway: '192.168.12.1' })),
  redirect: { redirectRules: [{ destinationIP: '203.0.113.26', port: 8080, protocol: 'TCP' }] },
});

/** The address that a pod's network asks for. */
function addressOf(lab: ControllerLab, pod: KubeObject): string {
  const annotations = pod.metadata.annotations as Record<string, string>;
  const [network] = JSON.parse(annotations['k8s.v1.cni.cncf.io/networks'] ?? '[]') as { name: string }[];
  const { config = '{}' } = (lab.server.get(paths.definitions, `shop/${network?.name}`)?.spec ?? {}) as {
    config?: string;
  };
  const { ip } = JSON.parse(config) as { ip?: { addresses: string[] } };
  return ip?.addresses[0]?.split('/')[0] ?? '';
}

for (const subject of ['source', 'executable'] as const) {
  describe(`A pool of routers (${subject})`, () => {
    let lab: ControllerLab;
    beforeEach(async () => {
      lab = new ControllerLab(subject);
      lab.cluster.podStatus = (pod) => ready(pod, [addressOf(lab, pod)]);
      await lab.up();
    });
    afterEach(() => lab.down());

    const pods = (): Record<string, string> =>
      Object.fromEntries(
        lab.server
          .all(paths.pods)
          .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
          .map((pod) => [addressOf(lab, pod), pod.metadata.name]),
      );

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
    let lab: ControllerLab;
    let network: SilentAddresses;

    beforeEach(async () => {
      lab = new ControllerLab(subject);
      network = new SilentAddresses();
      lab.cluster.podAddress = (pod) => hostOf(nodeOf(pod));
      lab.cluster.nodeAddress = (node) => hostOf(node);
      lab.cluster.podStatus = (pod) => ready(pod, [addressOf(lab, pod)]);
      await lab.up();
      for (const node of ['n1', 'n2', 'n3']) lab.cluster.putNode(node);
    });
    afterEach(async () => {
      network.close();
      await lab.down();
    });

    /** Where the pods of a node are: a closed port answers there. */
    const hostOf = (node: string): string => `127.77.0.${node.slice(1)}`;
    const podKey = (): string => `shop/${lab.names('pods')[0]}`;
    const nodeOf = (pod: KubeObject): string => (pod.spec as { nodeName: string }).nodeName;
    const nodes = (): string[] =>
      lab.server
        .all(paths.pods)
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        .map((pod) => nodeOf(pod))
        .sort();
    const eventReasons = (): unknown[] => lab.server.all(paths.events).map(({ reason }) => reason);

    async function start(...last: readonly number[]): Promise<void> {
      lab.putRouter('web', { spec: addresses(...last) });
      lab.start();
      await until(
        () => lab.conditionsOf('web').join() === well.join(),
        () => lab.conditionsOf('web'),
      );
    }

    /** Silences the addresses of a node's pods, and stops its kubelet. */
    function kill(node: string): void {
      lab.cluster.deadNodes.add(node);
      network.silence(hostOf(node));
    }

    /** The controller has knocked once at least. */
    const heard = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, subject === 'source' ? 200 : 1500));

    it('runs on another node within the time of three probes, away from the dead one', async () => {
      await start(99);
      const [pod] = lab.server.all(paths.pods);
      assert.ok(pod !== undefined);
      await heard();
      kill('n1');
      await until(
        () => nodes().join() === 'n2' && lab.conditionsOf('web').join() === well.join(),
        () => [nodes(), lab.conditionsOf('web'), eventReasons()],
        5000,
      );
      await until(() => eventReasons().includes('NodeGone'), eventReasons);
      assert.equal(lab.server.get(paths.pods, `shop/${pod.metadata.name}`), undefined, 'the dead pod stays');
    });

    it('is not moved if most nodes are silent at once, because the controller may be disconnected', async () => {
      lab.cluster.spread = true;
      await start(99, 100, 101);
      assert.deepEqual(nodes(), ['n1', 'n2', 'n3']);
      await heard();
      for (const node of ['n1', 'n2', 'n3']) kill(node);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      assert.deepEqual(nodes(), ['n1', 'n2', 'n3']);
      assert.ok(!eventReasons().includes('NodeGone'));
    });

    it('is replaced alone if others of its pool are alive', async () => {
      lab.cluster.spread = true;
      await start(99, 100, 101);
      await heard();
      const before = lab.server.all(paths.pods).map(({ metadata }) => metadata.uid);
      kill('n2');
      await until(
        () => !nodes().includes('n2') && nodes().length === 3 && lab.conditionsOf('web').join() === well.join(),
        () => [nodes(), lab.conditionsOf('web')],
        5000,
      );
      const after = new Set(lab.server.all(paths.pods).map(({ metadata }) => metadata.uid));
      assert.equal(before.filter((uid) => after.has(uid)).length, 2);
    });

    it('is not moved while the API server does not answer', async () => {
      await start(99);
      await heard();
      lab.server.isSilent = true;
      kill('n1');
      await new Promise((resolve) => setTimeout(resolve, 3000));
      assert.deepEqual(nodes(), ['n1']);
    });

    it('is moved when the API server answers again', async () => {
      await start(99);
      await heard();
      lab.server.isSilent = true;
      kill('n1');
      await new Promise((resolve) => setTimeout(resolve, 5000));
      assert.deepEqual(nodes(), ['n1']);
      lab.server.isSilent = false;
      await until(
        () => nodes().join() === 'n2',
        () => [nodes(), eventReasons()],
        8000,
      );
    }).timeout(20_000);

    it('leaves a dead node together with all routers there', async () => {
      await start(...Array.from({ length: 14 }, (_, index) => 100 + index));
      assert.deepEqual(new Set(nodes()), new Set(['n1']));
      await heard();
      kill('n1');
      await until(
        () => nodes().length === 14 && nodes().every((node) => node === 'n2'),
        () => [nodes(), eventReasons()],
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
        await heard();
        kill('n1');
        await until(() => nodes().join() === 'n2', nodes, 5000);
        network.revive(hostOf('n1'));
        lab.cluster.deadNodes.delete('n1');
        lab.cluster.putNode('n3', true);
        lab.cluster.putNode('n2', true);
        leave();
        await until(
          () => nodes().join() === 'n1' && lab.conditionsOf('web').join() === well.join(),
          () => [nodes(), lab.conditionsOf('web'), eventReasons()],
          5000,
        );
      }).timeout(20_000);
    }

    it('does not return to a dead node whose kubelet last reported that it was healthy', async () => {
      await start(99);
      await heard();
      kill('n1');
      await until(() => nodes().join() === 'n2', nodes, 5000);
      lab.cluster.putNode('n3', true);
      lab.cluster.putNode('n2', true);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      assert.deepEqual(nodes(), ['n2'], 'it has nowhere else to go');
      // Its node dies, too, while the first one is still believed to be well.
      kill('n2');
      await new Promise((resolve) => setTimeout(resolve, 2500));
      lab.cluster.putNode('n3');
      await until(() => nodes().join() === 'n3', nodes, 5000);
    }).timeout(20_000);

    it('leaves a node that is cordoned', async () => {
      await start(99);
      lab.cluster.putNode('n1', true);
      await until(
        () => nodes().join() === 'n2' && lab.conditionsOf('web').join() === well.join(),
        () => [nodes(), lab.conditionsOf('web')],
        2000,
      );
      assert.ok(eventReasons().includes('NodeLeft'));
    });

    it('stays on a cordoned node if there is no other', async () => {
      await start(99);
      for (const node of ['n2', 'n3', 'n1']) lab.cluster.putNode(node, true);
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.deepEqual(nodes(), ['n1']);
    });
  });
}
