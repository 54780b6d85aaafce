import assert from 'node:assert/strict';
import type { AnswerSpan } from '../../../lab/address-host.ts';
import { AddressLab, type NodeName, nodeNames, pause, ports, virtualAddress } from '../../../lab/address-lab.ts';
import { AddressWatch, outageOf } from '../../../lab/address-watch.ts';
import { until } from '../../../until.ts';

const pair = [4, 6].map((family) => virtualAddress(10, family as 4 | 6));
/**
 * Milliseconds between the last answer of a node and the first of another, and the resolution of the measurement.
 * The kernel rounds the end of a lifetime of 2 s up by at most 250 ms (ADDRCONF_TIMER_FUZZ in
 * net/ipv4/devinet.c and net/ipv6/addrconf.c); the probe of another node and its announcement follow.
 */
const bounds = { death: 1500, lifetime: 2600, planned: 500, server: 2500, heal: 2000, probe: 500 } as const;
const resolution = 50;

interface Period {
  readonly from: number;
  readonly to: number;
}

function others(node: string): (one: string) => boolean {
  return (one) => one !== node;
}

/** Bounds of outages, measured from packets of a client that asks every 10 ms; the machine's own stalls are added. */
describe('ingress-addresses under faults', function () {
  this.timeout(60_000);
  const lab = new AddressLab();
  const watch = new AddressWatch(lab, pair);
  before(async () => {
    await lab.up();
    await watch.start();
    await lab.start(pair);
  });
  after(() => {
    watch.stop();
    lab.down();
  });

  /** Fails if a time within a period is longer than a bound and the stalls of the machine in that period. */
  async function expectWithin(bound: number, time: number, { from, to }: Period, seen: unknown): Promise<void> {
    const stalled = await watch.stalls.during(from, to);
    const words = `${time} ms while the machine stalled for ${stalled} ms: ${JSON.stringify(seen).slice(-500)} ${lab.log}`;
    assert.ok(time <= bound + stalled + resolution, words);
  }

  function expectShort(bound: number, period: Period, seen: unknown): Promise<void> {
    return expectWithin(bound, period.to - period.from, period, seen);
  }

  /** Nodes that can reach each other never have one address both. */
  async function expectOneHolder(since: number): Promise<void> {
    for (const overlap of watch.overlapsSince(since)) await expectShort(0, overlap, overlap);
  }

  /** Ends a holder and waits until another node answers. Returns all answers, those of the holder first. */
  async function move(address: string, holder: NodeName, end: () => Promise<unknown>): Promise<readonly AnswerSpan[]> {
    const before = await lab.answering(address, (node) => node === holder);
    await end();
    return [...before, ...(await lab.answering(address, others(holder)))];
  }

  /** A node that was lost is back. */
  async function revive(node: NodeName): Promise<void> {
    await lab.plug(node, true);
    await lab.plug(node, true, true);
    if (!lab.hasProcess(node)) lab.run(node);
    lab.change(node, { ready: true });
    await lab.tell(node, { do: 'unserve', port: ports.local });
    await lab.tell(node, { do: 'serve', name: node, port: ports.local });
  }

  /** Ends of a holder, and the longest outage that each may cause. Those that cut a node off leave it the address. */
  const ends: readonly (readonly [string, number, (node: NodeName) => Promise<unknown>, isCut?: boolean])[] = [
    ['its node dies', bounds.death, (node) => lab.kill(node), true],
    ['its cable is cut', bounds.death, (node) => lab.plug(node, false), true],
    ['the switch loses its port', bounds.death, (node) => lab.plug(node, false, true), true],
    ['all of its containers are killed', bounds.lifetime, killContainers],
    ['its HAProxy ends', bounds.server, (node) => lab.tell(node, { do: 'unserve', port: ports.local })],
    ['its process is killed', bounds.probe, (node) => lab.signal(node, 'SIGKILL')],
    ['its agent is not ready', bounds.planned, async (node) => lab.change(node, { ready: false })],
  ];

  async function killContainers(node: NodeName): Promise<void> {
    await lab.tell(node, { do: 'unserve', port: ports.local });
    await lab.signal(node, 'SIGKILL');
  }

  for (const [end, bound, begin, isCut = false] of ends) {
    it(`moves an address within ${bound} ms if ${end}`, async () => {
      for (const address of pair) {
        const holder = (await watch.settle()).get(address) as NodeName;
        const start = Date.now();
        try {
          const spans = await move(address, holder, () => begin(holder));
          await expectShort(bound, outageOf(spans, holder), spans);
          if (!isCut) await expectOneHolder(start);
        } finally {
          await revive(holder);
        }
      }
    });
  }

  it('hands addresses over before it exits, also if loading rules takes long', async () => {
    await watch.settle();
    await lab.signal('a', 'SIGKILL');
    lab.run('a', undefined, lab.pathOfSlowRules(0.3));
    for (const node of ['b', 'c'] as const) lab.change(node, { drain: true });
    for (const address of pair) await lab.holder(address, (node) => node === 'a');
    for (const address of pair) await lab.answering(address, (node) => node === 'a');
    const start = Date.now();
    await lab.signal('a', 'SIGTERM');
    for (const node of ['b', 'c'] as const) lab.change(node, { drain: false });
    for (const address of pair) {
      const spans = await lab.answering(address, others('a'));
      await expectShort(bounds.planned, outageOf(spans, 'a'), spans);
    }
    await expectOneHolder(start);
    await until(
      () => !lab.isRunning('a'),
      () => lab.log,
      20_000,
    );
    lab.forget('a');
    await revive('a');
  });

  it('notices no killed agents, and hands over when they stay away', async () => {
    const holders = await watch.settle();
    const silent = [...holders.values()];
    for (const node of silent) lab.silence(node, true);
    const start = Date.now();
    for (const address of pair) {
      const spans = await lab.answering(address, (node) => !silent.includes(node as NodeName));
      for (const { longestGap, first, last } of spans) {
        await expectWithin(50, longestGap, { from: first, to: last }, spans);
      }
      await expectShort(bounds.planned, outageOf(spans, holders.get(address) as NodeName), spans);
    }
    await expectOneHolder(start);
    for (const node of silent) lab.silence(node, false);
  });

  it('moves an address of a killed process within the lifetime', async () => {
    for (const address of pair) {
      const holder = (await watch.settle()).get(address) as NodeName;
      const start = Date.now();
      try {
        await lab.signal(holder, 'SIGKILL');
        const spans = await lab.answering(address, others(holder));
        await expectShort(bounds.lifetime, { from: start, to: outageOf(spans, holder).to }, spans);
        await expectOneHolder(start);
      } finally {
        await revive(holder);
      }
    }
  });

  it('has one holder within 2 s of the end of a partition, and clients follow it', async () => {
    const holders = await watch.settle();
    const cut = nodeNames.find((node) => ![...holders.values()].includes(node)) as NodeName;
    // The client stays with the previous holders, which lose both addresses to the node that is now alone.
    await lab.plug(cut, false, true);
    const isTaken = async () => {
      await pause(50);
      const all = await Promise.all(pair.map((address) => lab.holders(address)));
      return all.every((nodes) => nodes.length === 2);
    };
    await until(isTaken, () => lab.log, 20_000);
    for (const address of pair) await lab.answers(address);
    await lab.plug(cut, true, true);
    const healed = Date.now();
    for (const address of pair) await lab.holder(address);
    for (const address of pair) {
      const loser = holders.get(address) as NodeName;
      // A share may move it back, even before the next look.
      const spans: AnswerSpan[] = [];
      const hasMoved = async () => {
        await pause(50);
        spans.push(...(await lab.answers(address)));
        return spans.some(({ node }) => node !== loser);
      };
      await until(hasMoved, () => [address, spans, lab.log], 20_000);
      const to = spans.find(({ node }) => node !== loser)?.first as number;
      await expectShort(bounds.heal, { from: healed, to }, spans);
    }
    for (const overlap of watch.overlapsSince(healed)) {
      await expectShort(bounds.heal, { from: healed, to: overlap.to }, overlap);
    }
  });

  for (const seconds of [1, 4]) {
    it(`moves at most the addresses of a node whose process is stopped for ${seconds} s`, async () => {
      for (const address of pair) {
        const holders = await watch.settle();
        const stopped = holders.get(address) as NodeName;
        const [other = ''] = pair.filter((one) => one !== address);
        const start = Date.now();
        await lab.signal(stopped, 'SIGSTOP');
        await pause(seconds * 1000);
        await lab.signal(stopped, 'SIGCONT');
        await watch.settle();
        await expectOneHolder(start);
        const moves = nodeNames.flatMap((node) => lab.state(node)?.moves ?? []);
        assert.deepEqual(
          moves.filter((move) => move.address === other && move.at >= start),
          [],
          lab.log,
        );
      }
    });
  }
});
