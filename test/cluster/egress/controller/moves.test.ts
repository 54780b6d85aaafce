import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SilentAddresses } from '../../../lab/silence.ts';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { clusterPaths as paths, ready } from '../../lab/cluster.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';

const well = ['Available=True RouterReady', 'Progressing=False AsExpected', 'Degraded=False AsExpected'];
const controlPlane = [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }];

describe('A router that is moved', () => {
  let lab: ControllerLab;
  let network: SilentAddresses;

  beforeEach(async () => {
    lab = new ControllerLab();
    network = new SilentAddresses();
    lab.cluster.podAddress = (pod) => hostOf(nodeOf(pod));
    lab.cluster.nodeAddress = (node) => hostOf(node);
    lab.cluster.podStatus = (pod) => ready(pod);
    await lab.up();
  });
  afterEach(async () => {
    network.close();
    await lab.down();
  });

  /** Where the pods of a node are: a closed port answers there. */
  const hostOf = (node: string): string => `127.77.1.${node.slice(1)}`;
  const nodeOf = (pod: KubeObject): string => (pod.spec as { nodeName?: string }).nodeName ?? 'none';
  /** Nodes of the pods that live; `none` of one that waits for a node. */
  const nodes = (): string[] =>
    lab.server
      .all(paths.pods)
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(nodeOf)
      .sort();
  const eventReasons = (): unknown[] => lab.server.all(paths.events).map(({ reason }) => reason);
  /** The controller has knocked once at least. */
  const heard = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));

  async function start(): Promise<void> {
    lab.putRouter('web');
    lab.start();
    await runsOn('n1');
    await heard();
  }

  function kill(node: string): void {
    lab.cluster.deadNodes.add(node);
    network.silence(hostOf(node));
  }

  const runsOn = (node: string): Promise<void> =>
    until(
      () => nodes().join() === node && lab.conditionsOf('web').join() === well.join(),
      () => [nodes(), lab.conditionsOf('web'), eventReasons()],
      5000,
    );

  it('stays on a cordoned node if all others have taints', async () => {
    lab.cluster.putNode('n1');
    lab.cluster.putNode('n2', false, controlPlane);
    await start();
    lab.cluster.putNode('n1', true);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await runsOn('n1');
    assert.ok(!eventReasons().includes('NodeLeft'));
    lab.cluster.putNode('n2');
    await runsOn('n2');
  });

  it('moves as soon as an API server that did not answer does', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    await start();
    lab.server.fail({ on: /GET .*\/pods\/egress-router/, answer: 'silence' });
    kill('n1');
    await runsOn('n2');
  });

  it('also avoids a node that died shortly before', async () => {
    for (const node of ['n2', 'n1', 'n3']) lab.cluster.putNode(node);
    // n1 is taken first; n2 is the next.
    lab.cluster.putNode('n2', true);
    await start();
    lab.cluster.putNode('n2');
    kill('n1');
    await runsOn('n2');
    await heard();
    kill('n2');
    await runsOn('n3');
    const [deployment] = lab.server.all(paths.deployments);
    const affinity = JSON.stringify((deployment?.spec as { template: unknown } | undefined)?.template);
    assert.ok(affinity.includes('"n1"') && affinity.includes('"n2"'), 'the first of two dead nodes may be taken again');
  });

  it('returns to a node that died long ago when its own node is drained', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    const controller = lab.start();
    lab.putRouter('web');
    await runsOn('n1');
    await heard();
    kill('n1');
    await runsOn('n2');
    // Another one goes on, which has not seen n1 die; n1 is there again.
    controller.stop();
    lab.cluster.deadNodes.clear();
    network.revive(hostOf('n1'));
    lab.start();
    await heard();
    lab.cluster.putNode('n2', true);
    await runsOn('n1');
  });

  it('returns there also if an administrator drained its node manually', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    const controller = lab.start();
    lab.putRouter('web');
    await runsOn('n1');
    await heard();
    kill('n1');
    await runsOn('n2');
    controller.stop();
    lab.cluster.deadNodes.clear();
    network.revive(hostOf('n1'));
    lab.cluster.putNode('n2', true);
    const [pod] = lab.server.all(paths.pods);
    lab.server.remove(paths.pods, `shop/${pod?.metadata.name}`);
    await until(() => nodes().join() === 'none', nodes);
    lab.start();
    await runsOn('n1');
  });

  it('does not wait for a pod on the dead node if it was interrupted in between', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    await start();
    // The new template is there; the deletion fails, and meanwhile the Deployment has begun to end the pod.
    lab.server.fail({ on: /DELETE .*\/pods\//, answer: 500 });
    kill('n1');
    await runsOn('n2');
  });

  it("is moved regardless of foreign pods with its namespace's labels", async () => {
    for (const node of ['n1', 'n2', 'n3', 'n4', 'n5']) lab.cluster.putNode(node);
    await start();
    // Any user that can create pods can set their labels.
    const [router] = lab.server.all(paths.pods);
    const forge = (node: string): KubeObject =>
      lab.server.put(paths.pods, {
        metadata: { namespace: 'shop', name: `forged-${node}`, uid: `forged-${node}`, labels: router?.metadata.labels },
        spec: { nodeName: node },
        status: { conditions: [{ type: 'Ready', status: 'True' }], podIPs: [{ ip: hostOf(node) }] },
      });
    const forged = ['n2', 'n3', 'n4'];
    for (const node of forged) forge(node);
    await heard();
    for (const node of forged) network.silence(hostOf(node));
    await heard();
    const living = () => forged.filter((node) => lab.server.get(paths.pods, `shop/forged-${node}`) !== undefined);
    assert.deepEqual(living(), forged, 'a pod without owner was deleted');
    kill('n1');
    await until(
      () => lab.server.get(paths.pods, `shop/${router?.metadata.name}`) === undefined,
      () => [nodes(), eventReasons()],
      3000,
    );
  });

  /** Returns how many times a Deployment was written. */
  const templates = (): number => lab.server.requests.filter((line) => /^PATCH .*\/deployments\//.test(line)).length;

  it('moves to a third node without another template, although it avoids a node that died earlier', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    await start();
    kill('n1');
    await runsOn('n2');
    network.revive(hostOf('n1'));
    lab.cluster.deadNodes.delete('n1');
    lab.cluster.putNode('n3');
    const before = templates();
    lab.cluster.putNode('n2', true);
    await runsOn('n3');
    assert.equal(templates(), before, 'the Deployment waits for the end of the old pod');
  });

  it('does not move from a cordoned node to one that just died, although the scheduler considers it healthy', async () => {
    for (const node of ['n1', 'n2', 'n3']) lab.cluster.putNode(node);
    lab.putRouter('web', {
      spec: { addresses: [99, 98].map((one) => ({ ip: `192.168.12.${one}/24`, gateway: '192.168.12.1' })) },
    });
    lab.cluster.spread = true;
    lab.cluster.podStatus = (pod) => ready(pod, ['192.168.12.99', '192.168.12.98']);
    lab.start();
    await until(() => nodes().join() === 'n1,n2', nodes, 5000);
    await heard();
    lab.cluster.spread = false;
    kill('n1');
    await until(() => !nodes().includes('n1') && nodes().length === 2, nodes, 5000);
    // The first node of the list is the dead one.
    lab.cluster.putNode('n2', true);
    await until(
      () => nodes().join() === 'n3,n3',
      () => [nodes(), eventReasons()],
      5000,
    );
  });

  it('stays on a node that was silent for a while but is alive', async () => {
    lab.cluster.putNode('n1');
    lab.cluster.putNode('n2', true);
    await start();
    network.silence(hostOf('n1'));
    await heard();
    // Its gateway was away, too, and there was no other node.
    const [pod] = lab.server.all(paths.pods);
    assert.ok(pod !== undefined);
    lab.server.put(paths.pods, { ...pod, status: { ...(pod.status as object), conditions: [] } });
    network.revive(hostOf('n1'));
    await heard();
    lab.cluster.putNode('n2');
    await heard();
    assert.deepEqual(nodes(), ['n1']);
    assert.ok(!eventReasons().includes('NodeGone'));
  });

  it('is replaced if its node fails while it terminates, even if it could never be probed', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    network.silence(hostOf('n1'));
    lab.start({ nodeFailureSeconds: 1 });
    lab.putRouter('web');
    await runsOn('n1');
    lab.cluster.deadNodes.add('n1');
    // Another address is another pod, for which the Deployment waits until this one has ended.
    lab.cluster.podStatus = (pod) => ready(pod, ['192.168.12.77']);
    lab.putRouter('web', { spec: { addresses: [{ ip: '192.168.12.77/24', gateway: '192.168.12.1' }] } });
    await until(() => nodes().length === 0, nodes);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.equal(lab.names('pods').length, 1, 'a pod was given up whose node is said to be well');
    lab.server.put(paths.nodes, {
      metadata: { name: 'n1' },
      spec: { unschedulable: false, taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule' }] },
      status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
    });
    await runsOn('n2');
  });
});
