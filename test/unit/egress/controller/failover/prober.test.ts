import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, it } from 'mocha';
import { judgePresences } from '../../../../../src/egress/controller/failover/failover.ts';
import {
  type ProbeResult,
  type ProbeTarget,
  probeByConnecting,
  RouterProber,
} from '../../../../../src/egress/controller/failover/prober.ts';
import { until } from '../../../../until.ts';

const target: ProbeTarget = { uid: 'pod', namespace: 'shop', node: 'n1', host: '127.0.0.1', port: 9 };

describe('A probed router', () => {
  let prober: RouterProber | undefined;
  afterEach(() => prober?.close());

  /** Starts a prober whose target has answered, with results of `probe` from now on. */
  async function start(probe: () => ProbeResult): Promise<() => string[]> {
    const seen: string[] = [];
    let says = (): ProbeResult => 'answer';
    const onChange = (): void => void seen.push(started.presences[0]?.presence ?? '');
    const started = new RouterProber(onChange, { interval: 30, timeout: 60 }, async () => says());
    prober = started;
    started.set([target]);
    started.start();
    await until(
      () => seen.join() === 'answers',
      () => seen,
    );
    says = probe;
    return () => seen;
  }

  it('is not gone after three refused connections within a moment, because routes are being replaced', async () => {
    const begun = performance.now();
    const seen = await start(() => (performance.now() - begun < 120 ? 'silence' : 'answer'));
    await sleep(300);
    assert.deepEqual(seen(), ['answers']);
  });

  it('is gone when its address is unreachable for the time of three probes', async () => {
    const seen = await start(() => 'silence');
    const begun = performance.now();
    await until(() => seen().at(-1) === 'gone', seen);
    assert.ok(performance.now() - begun >= 150);
  });

  it('is not gone if this machine has no network', async () => {
    const seen = await start(() => 'unable');
    await sleep(400);
    assert.deepEqual(seen(), ['answers']);
  });

  it('counts as alive after a connection and after a refusal', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    assert.equal(await probeByConnecting({ ...target, port }, 1000), 'answer');
    await new Promise((resolve) => server.close(resolve));
    assert.equal(await probeByConnecting({ ...target, port }, 1000), 'answer');
  });

  /** Routers, by their nodes, that have answered and from now on do not, one a little later than the other. */
  async function kill(nodes: readonly string[]): Promise<string[]> {
    const all = nodes.map((node, index) => ({ ...target, uid: `pod-${index}`, node }));
    let isDead = false;
    const verdicts: string[] = [];
    const onChange = (): void => {
      const { departures, restraint } = judgePresences(started.presences);
      verdicts.push(restraint ?? [...departures.values()].map(({ reason, node }) => `${reason} ${node}`).join());
    };
    const probe = async ({ uid }: ProbeTarget): Promise<ProbeResult> => {
      if (!isDead) return 'answer';
      await sleep(20 + all.findIndex((one) => one.uid === uid) * 5);
      return 'silence';
    };
    const started = new RouterProber(onChange, { interval: 60, timeout: 20 }, probe);
    prober = started;
    started.set(all);
    started.start();
    await until(
      () => started.presences.every(({ presence }) => presence === 'answers'),
      () => started.presences,
    );
    isDead = true;
    await until(
      () => started.presences.every(({ presence }) => presence === 'gone'),
      () => started.presences,
    );
    return verdicts.filter((verdict, index) => verdict !== '' && verdict !== verdicts[index - 1]);
  }

  it('is gone with its node even if other routers of the node fail a moment later', async () => {
    assert.deepEqual(await kill(['n1', 'n1', 'n1']), ['NodeGone n1,NodeGone n1,NodeGone n1']);
  });

  it('is kept if it is the first of most routers to fail', async () => {
    assert.deepEqual(await kill(['n1', 'n2', 'n3']), ['MostGone']);
  });

  it('fails alone if other routers of its node answered since', async () => {
    const all = ['one', 'two'].map((uid) => ({ ...target, uid }));
    let isDead = false;
    const seen: string[] = [];
    const probe = async ({ uid }: ProbeTarget): Promise<ProbeResult> =>
      isDead && uid === 'one' ? 'silence' : 'answer';
    const onChange = (): void =>
      void seen.push(judgePresences(started.presences).departures.get('one')?.reason ?? 'stays');
    const started = new RouterProber(onChange, { interval: 60, timeout: 10 }, probe);
    prober = started;
    started.set(all);
    started.start();
    await until(
      () => seen.length === 2,
      () => seen,
    );
    isDead = true;
    await until(
      () => seen.at(-1) === 'RouterSilent',
      () => seen,
    );
  });
});
