import assert from 'node:assert/strict';
import pino from 'pino';
import type { AttachmentState } from '../../../../src/egress/model/state.ts';
import { NodeMetrics } from '../../../../src/egress/node/metrics.ts';
import type { WireAnswer } from '../../../../src/egress/node/routers-api.ts';
import { RouterWatch, type WatchParts } from '../../../../src/egress/node/watch.ts';

const state = {
  id: { containerId: 'container', ifname: 'net1' },
  pod: { namespace: 'shop', name: 'router' },
  link: 'net1',
} as unknown as AttachmentState;

describe('a router that is deleted while the daemon probes its gateway', () => {
  it('leaves no series', async () => {
    const metrics = new NodeMetrics(() => 0);
    let known: ReadonlyMap<string, AttachmentState> = new Map([['container/net1', state]]);
    let answer: (answer: WireAnswer) => void = () => undefined;
    const routers = {
      retain: () => undefined,
      isAlive: () => true,
      isSuspended: () => false,
      listProblems: () => [],
      listChanged: () => [],
      check: () => ({ differences: [], problems: [] }),
      listFlows: () => [],
      announce: () => undefined,
      ask: () => new Promise<WireAnswer>((resolve) => (answer = resolve)),
    };
    const watch = new RouterWatch({
      routers,
      wires: {
        retain: () => undefined,
        turn: () => [],
        quietFor: () => 0,
        macOf: () => undefined,
        close: () => undefined,
      },
      metrics,
      events: {},
      log: pino({ level: 'silent' }),
      times: { ask: 1000, count: 1e9, announce: 1e9, check: 1e9 },
      routersOf: () => known,
      standingOf: () => 'unknown',
      isMissing: () => false,
      isEnding: () => false,
      uidOf: () => undefined,
      showClosure: () => undefined,
      showReadiness: () => undefined,
      forgetReadiness: () => undefined,
    } as unknown as WatchParts);
    const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const series = async (): Promise<string[]> =>
      (await metrics.registry.metrics()).split('\n').filter((line) => line.includes('pod="router"'));
    watch.look();
    await settle();
    known = new Map();
    watch.look();
    await settle();
    answer({ gateways: [{ address: '192.0.2.1', answers: true }], conflicts: [], isCutOff: false });
    await settle();
    await settle();
    assert.deepEqual(await series(), []);
  });
});
