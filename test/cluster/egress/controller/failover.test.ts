import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SilentAddresses } from '../../../lab/silence.ts';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { clusterPaths as paths, ready } from '../../lab/cluster.ts';
import { ControllerLab, type StartedController } from '../../lab/controller-lab.ts';

/** Milliseconds from a node's death until its router runs elsewhere, with that of the leader on it. */
const longestOutage = 5000;

/** A request that changes something other than a Lease. */
interface Write {
  readonly at: number;
  readonly token: string;
  readonly line: string;
}

interface Competitor {
  readonly token: string;
  readonly port: number;
  readonly controller: StartedController;
}

describe('A router on the node of the leading controller', () => {
  let lab: ControllerLab;
  let network: SilentAddresses;
  let writes: Write[] = [];

  beforeEach(async () => {
    lab = new ControllerLab('executable');
    network = new SilentAddresses();
    lab.cluster.podAddress = (pod) => hostOf(nodeOf(pod));
    lab.cluster.nodeAddress = (node) => hostOf(node);
    lab.cluster.podStatus = (pod) => ready(pod);
    writes = [];
    lab.server.onRequest = (line, token) => {
      if (/^(PATCH|POST|PUT|DELETE) /.test(line) && !line.includes('/leases'))
        writes.push({ at: performance.now(), token, line });
    };
    await lab.up();
    for (const node of ['n1', 'n2', 'n3']) lab.cluster.putNode(node);
  });
  afterEach(async () => {
    network.close();
    await lab.down();
  });

  /** Where the pods of a node are: a closed port answers there. */
  const hostOf = (node: string): string => `127.79.0.${node.slice(1)}`;
  const nodeOf = (pod: KubeObject): string => (pod.spec as { nodeName: string }).nodeName;
  const nodes = (): string[] =>
    lab.server
      .all(paths.pods)
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(nodeOf);

  function compete(index: number): Competitor {
    const [token, port] = [`controller-${index}`, 20_000 + (process.pid % 10_000) + index];
    return { token, port, controller: lab.start({}, { token, port, options: { 'lease-duration': '2s' } }) };
  }

  /** A controller is ready when it has probed the routers. */
  async function isReady({ port }: Competitor): Promise<void> {
    for (let attempt = 0; attempt < 400; attempt++) {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
      if (answer?.status === 200) return;
      await sleep(25);
    }
    assert.fail('not ready');
  }

  /** Two controllers; the first leads, and its router runs on the first node. */
  async function begin(): Promise<readonly [leader: Competitor, standby: Competitor]> {
    lab.putRouter('web');
    const leader = compete(1);
    await until(
      () => leader.controller.isLeading && lab.conditionsOf('web')[0] === 'Available=True RouterReady',
      () => [lab.conditionsOf('web'), lab.server.requests.slice(-5)],
      10_000,
    );
    const standby = compete(2);
    await isReady(leader);
    await isReady(standby);
    assert.deepEqual(nodes(), ['n1']);
    assert.ok(!standby.controller.isLeading);
    return [leader, standby];
  }

  /** Milliseconds until the router runs elsewhere. */
  async function die(node: string): Promise<number> {
    const begun = performance.now();
    lab.cluster.deadNodes.add(node);
    network.silence(hostOf(node));
    await until(
      () => nodes().join() === 'n2' && !lab.names('pods').some((name) => name.endsWith('-pod-1')),
      () => [nodes(), writes.slice(-5), lab.server.requests.slice(-5)],
      longestOutage,
    );
    return performance.now() - begun;
  }

  /** The old leader writes nothing once the new one has begun to. */
  function assertOneWriter(leader: Competitor, standby: Competitor): void {
    const first = writes.find(({ token }) => token === standby.token);
    assert.ok(first !== undefined, 'the standby wrote nothing');
    const late = writes.filter(({ token, at }) => token === leader.token && at > first.at);
    assert.deepEqual(late, []);
  }

  it('runs elsewhere in time if the leader dies with it', async () => {
    const [leader, standby] = await begin();
    leader.controller.signal?.('SIGKILL');
    const took = await die('n1');
    assertOneWriter(leader, standby);
    assert.ok(took <= longestOutage, `${took} ms`);
  }).timeout(30_000);

  it('runs elsewhere in time if the leader is disconnected with it and returns later', async () => {
    const [leader, standby] = await begin();
    lab.server.cut.add(leader.token);
    const took = await die('n1');
    assert.ok(took <= longestOutage, `${took} ms`);
    lab.server.cut.clear();
    // It hears of everything that happened, and may not act on it.
    lab.putRouter('other', { spec: { addresses: [{ ip: '192.168.12.77/24', gateway: '192.168.12.1' }] } });
    await until(
      () => lab.names('deployments').length === 2,
      () => lab.names('deployments'),
    );
    await sleep(1000);
    assertOneWriter(leader, standby);
  }).timeout(30_000);

  it('runs elsewhere in time if the leader is suspended with it and resumes later', async () => {
    const [leader, standby] = await begin();
    leader.controller.signal?.('SIGSTOP');
    const took = await die('n1');
    assert.ok(took <= longestOutage, `${took} ms`);
    leader.controller.signal?.('SIGCONT');
    lab.putRouter('other', { spec: { addresses: [{ ip: '192.168.12.77/24', gateway: '192.168.12.1' }] } });
    await until(
      () => lab.names('deployments').length === 2,
      () => lab.names('deployments'),
    );
    await sleep(1000);
    assertOneWriter(leader, standby);
  }).timeout(30_000);

  it('runs elsewhere if the node dies while the leader is being replaced gracefully', async () => {
    const [leader, standby] = await begin();
    leader.controller.signal?.('SIGTERM');
    const took = await die('n1');
    assertOneWriter(leader, standby);
    // The Lease was released.
    assert.ok(took <= longestOutage, `${took} ms`);
  }).timeout(30_000);
});
