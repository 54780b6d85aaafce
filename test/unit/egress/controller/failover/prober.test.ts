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

describe('A router that is knocked at', () => {
  let prober: RouterProber | undefined;
  afterEach(() => prober?.close());

  /** A prober whose target has answered, and does from now on what `knock` says. */
  async function start(knock: () => ProbeResult): Promise<() => string[]> {
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
    says = knock;
    return () => seen;
  }

  it('is not gone after three refusals of the way there within a moment: routes are being replaced', async () => {
    const begun = performance.now();
    const seen = await start(() => (performance.now() - begun < 120 ? 'silence' : 'answer'));
    await sleep(300);
    assert.deepEqual(seen(), ['answers']);
  });

  it('is gone when the way there stays closed for the time of three knocks', async () => {
    const seen = await start(() => 'silence');
    const begun = performance.now();
    await until(() => seen().at(-1) === 'gone', seen);
    assert.ok(performance.now() - begun >= 150);
  });

  it('is not gone where it is this machine that cannot ask', async () => {
    const seen = await start(() => 'unable');
    await sleep(400);
    assert.deepEqual(seen(), ['answers']);
  });

  it('answers by a connection and by a refusal', async () => {
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
    const knock = async ({ uid }: ProbeTarget): Promise<ProbeResult> => {
      if (!isDead) return 'answer';
      await sleep(20 + all.findIndex((one) => one.uid === uid) * 5);
      return 'silence';
    };
    const started = new RouterProber(onChange, { interval: 60, timeout: 20 }, knock);
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

  it('is gone with its node also where the others of the node are found silent a moment later', async () => {
    assert.deepEqual(await kill(['n1', 'n1', 'n1']), ['NodeGone n1,NodeGone n1,NodeGone n1']);
  });

  it('is left alone where it is the first of most to be found silent', async () => {
    assert.deepEqual(await kill(['n1', 'n2', 'n3']), ['MostGone']);
  });

  it('is silent alone where others of its node were heard since', async () => {
    const all = ['one', 'two'].map((uid) => ({ ...target, uid }));
    let isDead = false;
    const seen: string[] = [];
    const knock = async ({ uid }: ProbeTarget): Promise<ProbeResult> =>
      isDead && uid === 'one' ? 'silence' : 'answer';
    const onChange = (): void =>
      void seen.push(judgePresences(started.presences).departures.get('one')?.reason ?? 'stays');
    const started = new RouterProber(onChange, { interval: 60, timeout: 10 }, knock);
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
