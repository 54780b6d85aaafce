import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import { addresses, type StartedController } from '../../lab/controller-lab.ts';
import { FailoverLab } from '../../lab/failover-lab.ts';

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
  let lab: FailoverLab;
  /** Requests of each controller for the Lease, by its token. */
  let leaseRequests: Record<string, number> = {};
  let writes: Write[] = [];

  beforeEach(async () => {
    lab = new FailoverLab('executable');
    leaseRequests = {};
    writes = [];
    lab.server.onRequest = (line, token) => {
      if (line.includes('/leases')) leaseRequests[token] = (leaseRequests[token] ?? 0) + 1;
      else if (/^(PATCH|POST|PUT|DELETE) /.test(line)) writes.push({ at: performance.now(), token, line });
    };
    await lab.up();
    for (const node of ['n1', 'n2', 'n3']) lab.cluster.putNode(node);
  });
  afterEach(() => lab.down());

  function compete(index: number): Competitor {
    const [token, port] = [`controller-${index}`, 20_000 + (process.pid % 10_000) + index];
    return { token, port, controller: lab.start({}, { token, port, options: { 'lease-duration': '2s' } }) };
  }

  /** A controller is ready when it has probed the routers. */
  async function isReady({ port }: Competitor): Promise<void> {
    await until(
      async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.status === 200,
      () => 'not ready',
      10_000,
    );
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
    assert.deepEqual(lab.nodes, ['n1']);
    assert.ok(!standby.controller.isLeading);
    return [leader, standby];
  }

  /** Milliseconds until the router runs elsewhere. */
  async function die(node: string): Promise<number> {
    const begun = performance.now();
    lab.kill(node);
    await until(
      () => lab.nodes.join() === 'n2' && !lab.names('pods').some((name) => name.endsWith('-pod-1')),
      () => [lab.nodes, writes.slice(-5), lab.server.requests.slice(-5)],
      longestOutage,
    );
    return performance.now() - begun;
  }

  /** Waits until an old leader has heard of a change: it takes part again. */
  async function isBack({ token }: Competitor): Promise<void> {
    lab.putRouter('other', { spec: addresses(77) });
    await until(
      () => lab.names('deployments').length === 2,
      () => lab.names('deployments'),
    );
    const before = leaseRequests[token] ?? 0;
    // It reads the Lease twice a second.
    await until(
      () => (leaseRequests[token] ?? 0) >= before + 3,
      () => leaseRequests,
      10_000,
    );
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
    await isBack(leader);
    assertOneWriter(leader, standby);
  }).timeout(30_000);

  it('runs elsewhere in time if the leader is suspended with it and resumes later', async () => {
    const [leader, standby] = await begin();
    leader.controller.signal?.('SIGSTOP');
    const took = await die('n1');
    assert.ok(took <= longestOutage, `${took} ms`);
    leader.controller.signal?.('SIGCONT');
    await isBack(leader);
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
