import assert from 'node:assert/strict';
import { AddressLab, type NodeName, nodeNames, ownAddress, ports, virtualAddress } from '../../../lab/address-lab.ts';
import { startCapture } from '../../../lab/capture.ts';
import { runIn } from '../../../lab/namespaces.ts';
import { sendFrames, writeSegment } from '../../../lab/raw-frame.ts';
import { until } from '../../../until.ts';

const families = [4, 6] as const;
const pair = families.map((family) => virtualAddress(10, family));
const options = ['--share-delay', '1h'];
/** Connections of each kind and family: a thousand together in the first test. */
const many = 250;
const few = 40;

describe('a hand-over of virtual addresses', function () {
  this.timeout(60_000);
  const lab = new AddressLab();
  before(async () => {
    await lab.up();
    // Without shares, so that addresses move only when a test drains a node.
    await lab.start(pair, options);
    await place('a');
  });
  after(() => lab.down());

  /** Moves both addresses to a node by draining the others, and ends the drain. */
  async function place(node: NodeName): Promise<void> {
    for (const name of nodeNames) lab.change(name, { drain: name !== node });
    for (const address of pair) await lab.holder(address, (one) => one === node);
    for (const name of nodeNames) lab.change(name, { drain: false });
    const isKnown = () => nodeNames.every((one) => pair.every((address) => lab.sight(one, address)?.holder === node));
    await until(isKnown, () => [nodeNames.map((one) => lab.state(one)), lab.log]);
  }

  /** Opens connections of both families to HAProxy-like servers and through the kernel; returns their name. */
  async function hold(name: string, count = few): Promise<void> {
    for (const address of pair) {
      for (const port of [ports.local, ports.forwarded]) {
        const reply = await lab.tell('client', {
          do: 'hold',
          name: `${name} ${address} ${port}`,
          host: address,
          port,
          count,
        });
        assert.equal(reply.count, count, `${name}: connections to ${address} port ${port}`);
      }
    }
  }

  /** All connections still reach the program that accepted them. */
  async function expectKept(name: string, node: NodeName, count = few): Promise<void> {
    for (const address of pair) {
      for (const port of [ports.local, ports.forwarded]) {
        const reply = await lab.tell('client', { do: 'check', name: `${name} ${address} ${port}`, timeout: 10_000 });
        const program = port === ports.local ? node : 'endpoint';
        assert.deepEqual(reply.nodes, { [program]: count }, `${name}: ${address} port ${port}: ${lab.log}`);
      }
    }
  }

  async function drop(...names: string[]): Promise<void> {
    for (const name of names) {
      for (const address of pair) {
        for (const port of [ports.local, ports.forwarded]) {
          await lab.tell('client', { do: 'drop', name: `${name} ${address} ${port}` });
        }
      }
    }
    const isDrained = () =>
      nodeNames.every((node) => pair.every((address) => lab.sight(node, address)?.draining === undefined));
    await until(isDrained, () => [nodeNames.map((node) => lab.state(node)?.addresses), lab.log], 20_000);
  }

  async function reach(address: string, from = 'client'): Promise<string | undefined> {
    return (await lab.tell(from, { do: 'reach', host: address, port: ports.local, timeout: 10_000 })).text;
  }

  it('keeps every connection when the address moves to another node and back', async () => {
    await hold('first', many);
    await place('b');
    await expectKept('first', 'a', many);
    for (const address of pair) assert.equal(await reach(address), 'b hello');
    await hold('second');
    await expectKept('first', 'a', many);
    await place('a');
    await expectKept('first', 'a', many);
    await expectKept('second', 'b');
    for (const address of pair) assert.equal(await reach(address), 'a hello');
    await drop('first', 'second');
  });

  it('accepts every new connection while the address moves', async () => {
    for (const address of pair) await lab.tell('client', { do: 'hammer', host: address, port: ports.local });
    for (const node of ['b', 'c', 'a'] as const) await place(node);
    const { nodes = {} } = await lab.tell('client', { do: 'relax' });
    assert.deepEqual(Object.keys(nodes).sort(), ['a hello', 'b hello', 'c hello'], JSON.stringify(nodes));
    await drop();
  });

  it('answers for the address at the new holder only, and forwards clients that know the old one', async () => {
    await hold('first');
    await place('b');
    for (const address of pair) {
      assert.deepEqual(await lab.owners(address), ['02:00:00:00:00:02']);
      const family = address.includes(':') ? '-6' : '-4';
      const netns = lab.netns('stranger');
      const stale = ['lladdr', '02:00:00:00:00:01', 'dev', 'eth0', 'nud', 'reachable'];
      await runIn(netns, 'ip', [family, 'neigh', 'replace', address, ...stale]);
      assert.equal(await reach(address, 'stranger'), 'b hello');
      await runIn(netns, 'ip', [family, 'neigh', 'delete', address, 'dev', 'eth0']);
    }
    await expectKept('first', 'a');
    await drop('first');
    await place('a');
  });

  it('forwards a packet once: never one that a member has forwarded', async () => {
    await hold('first');
    await place('b');
    const macs = {
      a: '02:00:00:00:00:01',
      b: '02:00:00:00:00:02',
      c: '02:00:00:00:00:03',
      stranger: '02:00:00:00:00:42',
    };
    const cases = pair.flatMap((target) => {
      const family = target.includes(':') ? 6 : 4;
      const [client, own] = [ownAddress('client', family), ownAddress('c', family)];
      // The new holder forwards packets of unknown connections, and the old one forwards new connections.
      return (
        [
          ['b', 'ack'],
          ['a', 'syn'],
        ] as const
      ).flatMap(([to, flags]) => [
        { from: 'stranger' as const, to, flags, source: client, target, isForwarded: true },
        { from: 'c' as const, to, flags, source: own, target, isForwarded: true },
        // Member c has forwarded this one for a client.
        { from: 'c' as const, to, flags, source: client, target, isForwarded: false },
      ]);
    });
    const capture = (netns: string, link: string, filter: string) =>
      startCapture(lab.netns(netns), link, `tcp portrange 50000-50099 and ${filter}`);
    const arrivals = await Promise.all(
      (['a', 'b'] as const).map((node) =>
        capture(node, 'eth0', `not ether src ${macs[node]} and ether dst ${macs[node]}`),
      ),
    );
    const copies = await Promise.all(
      (['a', 'b'] as const).map((node) => capture('switch', `to-${node}`, `ether src ${macs[node]}`)),
    );
    for (const from of ['stranger', 'c'] as const) {
      const frames = cases.flatMap(({ to, ...one }, index) =>
        one.from === from
          ? [writeSegment({ ...one, mac: { from: macs[from], to: macs[to] }, sourcePort: 50_000 + index, port: 80 })]
          : [],
      );
      await sendFrames(lab.netns(from), frames);
    }
    await until(
      () => arrivals.reduce((count, { seen }) => count + seen, 0) >= cases.length,
      () => lab.log,
    );
    for (const arrival of arrivals) await arrival.stop();
    const lines = (await Promise.all(copies.map((copy) => copy.stop()))).flat();
    assert.deepEqual(
      cases.map(({ isForwarded }, index) => [isForwarded, index]),
      cases.map((_, index) => [lines.some((line) => line.includes(`.${50_000 + index} >`)), index]),
      JSON.stringify([cases, lines]),
    );
    await drop('first');
    await place('a');
  });

  it('keeps every connection over two moves', async () => {
    await hold('first');
    await place('b');
    await hold('second');
    await place('c');
    await expectKept('first', 'a');
    await expectKept('second', 'b');
    for (const address of pair) assert.equal(await reach(address), 'c hello');
    await drop('first', 'second');
    for (const address of pair) {
      // Addresses are kept for at least three seconds.
      await until(
        async () => (await lab.holders(address, 'lo')).length === 0,
        () => [nodeNames.map((node) => lab.state(node)?.addresses), lab.log],
      );
    }
  });

  it('keeps the connections of the previous holder when the new one dies', async () => {
    await place('a');
    await hold('first');
    await place('b');
    await lab.kill('b');
    for (const address of pair) await lab.holder(address, (node) => node !== 'b');
    await expectKept('first', 'a');
    await lab.plug('b', true, true);
    lab.run('b', options);
    await drop('first');
  });

  it('lets clients of a dead previous holder connect to the new one at once', async () => {
    await place('c');
    await hold('first');
    await place('a');
    await expectKept('first', 'c');
    await lab.kill('c');
    const [address = ''] = pair;
    const isKnown = () => lab.state('a')?.members.find(({ node }) => node === 'c')?.alive === false;
    await until(isKnown, () => [lab.state('a'), lab.log]);
    // A reset instead of silence.
    const reply = await lab.tell('client', { do: 'check', name: `first ${address} ${ports.local}`, timeout: 10_000 });
    assert.deepEqual(reply, { count: 0, nodes: {}, errors: { ECONNRESET: few } });
    for (const one of pair) assert.equal(await reach(one), 'a hello');
    await lab.plug('c', true, true);
    lab.run('c', options);
    await drop('first');
  });

  it('hands over on SIGTERM, serves connections until they end, and leaves nothing behind', async () => {
    await place('a');
    await hold('first');
    await lab.signal('a', 'SIGTERM');
    for (const address of pair) await lab.holder(address, (node) => node !== 'a');
    await expectKept('first', 'a');
    assert.ok(lab.isRunning('a'));
    for (const address of pair) {
      for (const port of [ports.local, ports.forwarded]) {
        await lab.tell('client', { do: 'drop', name: `first ${address} ${port}` });
      }
    }
    await until(
      () => !lab.isRunning('a'),
      () => lab.log,
      20_000,
    );
    lab.forget('a');
    assert.doesNotMatch(await runIn(lab.netns('a'), 'nft', ['list', 'tables']), /ingress-addresses/);
    const rest = await runIn(lab.netns('a'), 'ip', ['-o', 'address', 'show']);
    for (const address of pair) assert.ok(!rest.includes(` ${address}/`), rest);
    lab.run('a', options);
  });

  it('keeps connections that the kernel of a node forwards after its process has exited', async () => {
    await place('b');
    const [address = ''] = pair;
    const name = `first ${address} ${ports.forwarded}`;
    await lab.tell('client', { do: 'hold', name, host: address, port: ports.forwarded, count: few });
    await lab.signal('b', 'SIGTERM');
    await until(
      () => !lab.isRunning('b'),
      () => lab.log,
      20_000,
    );
    lab.forget('b');
    const isDead = () => nodeNames.every((node) => node === 'b' || isLost(node));
    const isLost = (node: NodeName) => lab.state(node)?.members.find((one) => one.node === 'b')?.alive === false;
    await until(isDead, () => lab.log);
    const { nodes } = await lab.tell('client', { do: 'check', name, timeout: 10_000 });
    assert.deepEqual(nodes, { endpoint: few });
    await lab.tell('client', { do: 'drop', name });
    lab.run('b', options);
  });
});
