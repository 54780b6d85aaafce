import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { clusterPaths as paths } from '../../lab/cluster.ts';
import { addresses } from '../../lab/controller-lab.ts';
import { FailoverLab, hostOf } from '../../lab/failover-lab.ts';

const controlPlane = [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }];

describe('A router that is moved', () => {
  let lab: FailoverLab;

  beforeEach(async () => {
    lab = new FailoverLab();
    await lab.up();
  });
  afterEach(() => lab.down());

  async function start(): Promise<void> {
    lab.putRouter('web');
    lab.start();
    await lab.worksOn('n1');
    await lab.probed();
  }

  it('stays on a cordoned node if all others have taints', async () => {
    lab.cluster.putNode('n1');
    lab.cluster.putNode('n2', false, controlPlane);
    await start();
    lab.cluster.putNode('n1', true);
    await lab.settle();
    await lab.worksOn('n1');
    assert.ok(!lab.eventReasons.includes('NodeLeft'));
    lab.cluster.putNode('n2');
    await lab.worksOn('n2');
  });

  it('moves as soon as an API server that did not answer does', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    await start();
    lab.server.fail({ on: /GET .*\/pods\/egress-router/, answer: 'silence' });
    lab.kill('n1');
    await lab.worksOn('n2');
  });

  it('also avoids a node that died shortly before', async () => {
    for (const node of ['n2', 'n1', 'n3']) lab.cluster.putNode(node);
    // n1 is taken first; n2 is the next.
    lab.cluster.putNode('n2', true);
    await start();
    lab.cluster.putNode('n2');
    lab.kill('n1');
    await lab.worksOn('n2');
    await lab.probed();
    lab.kill('n2');
    await lab.worksOn('n3');
    const [deployment] = lab.server.all(paths.deployments);
    const affinity = JSON.stringify((deployment?.spec as { template: unknown } | undefined)?.template);
    assert.ok(affinity.includes('"n1"') && affinity.includes('"n2"'), 'the first of two dead nodes may be taken again');
  });

  it('returns to a node that died long ago when its own node is drained', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    const controller = lab.start();
    lab.putRouter('web');
    await lab.worksOn('n1');
    await lab.probed();
    lab.kill('n1');
    await lab.worksOn('n2');
    // Another one goes on, which has not seen n1 die; n1 is there again.
    controller.stop();
    lab.revive('n1');
    lab.start();
    await lab.probed();
    lab.cluster.putNode('n2', true);
    await lab.worksOn('n1');
  });

  it('returns there also if an administrator drained its node manually', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    const controller = lab.start();
    lab.putRouter('web');
    await lab.worksOn('n1');
    await lab.probed();
    lab.kill('n1');
    await lab.worksOn('n2');
    controller.stop();
    lab.revive('n1');
    lab.cluster.putNode('n2', true);
    const [pod] = lab.server.all(paths.pods);
    lab.server.remove(paths.pods, `shop/${pod?.metadata.name}`);
    await lab.areOn('none');
    lab.start();
    await lab.worksOn('n1');
  });

  it('does not wait for a pod on the dead node if it was interrupted in between', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    await start();
    // The new template is there; the deletion fails, and meanwhile the Deployment has begun to end the pod.
    lab.server.fail({ on: /DELETE .*\/pods\//, answer: 500 });
    lab.kill('n1');
    await lab.worksOn('n2');
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
    await lab.settle();
    for (const node of forged) lab.silence(node);
    // As often as a router is probed until it is dead.
    await lab.probed(6, ['n1']);
    const living = () => forged.filter((node) => lab.server.get(paths.pods, `shop/forged-${node}`) !== undefined);
    assert.deepEqual(living(), forged, 'a pod without owner was deleted');
    lab.kill('n1');
    await until(
      () => lab.server.get(paths.pods, `shop/${router?.metadata.name}`) === undefined,
      () => [lab.nodes, lab.eventReasons],
      3000,
    );
  });

  /** Returns how many times a Deployment was written. */
  const templates = (): number => lab.server.requests.filter((line) => /^PATCH .*\/deployments\//.test(line)).length;

  it('moves to a third node without another template, although it avoids a node that died earlier', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    await start();
    lab.kill('n1');
    await lab.worksOn('n2');
    lab.revive('n1');
    lab.cluster.putNode('n3');
    const before = templates();
    lab.cluster.putNode('n2', true);
    await lab.worksOn('n3');
    assert.equal(templates(), before, 'the Deployment waits for the end of the old pod');
  });

  it('does not move from a cordoned node to one that just died, although the scheduler considers it healthy', async () => {
    for (const node of ['n1', 'n2', 'n3']) lab.cluster.putNode(node);
    lab.putRouter('web', { spec: addresses(99, 98) });
    lab.cluster.spread = true;
    lab.start();
    await lab.areOn('n1', 'n2');
    await lab.probed();
    lab.cluster.spread = false;
    lab.kill('n1');
    await until(
      () => !lab.nodes.includes('n1') && lab.nodes.length === 2,
      () => lab.nodes,
      5000,
    );
    // The first node of the list is the dead one.
    lab.cluster.putNode('n2', true);
    await lab.areOn('n3', 'n3');
  });

  it('stays on a node that was silent for a while but is alive', async () => {
    lab.cluster.putNode('n1');
    lab.cluster.putNode('n2', true);
    await start();
    lab.silence('n1');
    // It counts as dead.
    await lab.probed(5);
    // Its gateway was away, too, and there was no other node.
    const [pod] = lab.server.all(paths.pods);
    assert.ok(pod !== undefined);
    lab.server.put(paths.pods, { ...pod, status: { ...(pod.status as object), conditions: [] } });
    lab.revive('n1');
    await lab.probed();
    lab.cluster.putNode('n2');
    await lab.settle();
    assert.deepEqual(lab.nodes, ['n1']);
    assert.ok(!lab.eventReasons.includes('NodeGone'));
  });

  it('is replaced if its node fails while it terminates, even if it could never be probed', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    lab.silence('n1');
    lab.start({ nodeFailureSeconds: 1 });
    lab.putRouter('web');
    await lab.worksOn('n1');
    lab.cluster.deadNodes.add('n1');
    // Another address is another pod, for which the Deployment waits until this one has ended.
    lab.putRouter('web', { spec: addresses(77) });
    await lab.areOn();
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.equal(lab.names('pods').length, 1, 'a pod was given up whose node is said to be well');
    lab.server.put(paths.nodes, {
      metadata: { name: 'n1' },
      spec: { unschedulable: false, taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule' }] },
      status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
    });
    await lab.worksOn('n2');
  });
});
