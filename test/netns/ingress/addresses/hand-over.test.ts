import assert from 'node:assert/strict';
import { AddressLab, type NodeName, nodeNames, ports, virtualAddress } from '../../../lab/address-lab.ts';
import { until } from '../../../until.ts';

const families = [4, 6] as const;
const pair = families.map((family) => virtualAddress(10, family));
/** Connections of each kind and family. */
const count = 250;

describe('a hand-over of virtual addresses', function () {
  this.timeout(60_000);
  const lab = new AddressLab();
  before(async () => {
    await lab.up();
    // Without shares, so that addresses move only when a test says so.
    await lab.start(pair, ['--share-delay', '1h']);
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
  async function hold(name: string): Promise<void> {
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
  async function expectKept(name: string, node: NodeName): Promise<void> {
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

  async function reach(address: string): Promise<string | undefined> {
    return (await lab.tell('client', { do: 'reach', host: address, port: ports.local, timeout: 10_000 })).text;
  }

  it('keeps every connection when the address goes to another node and comes back', async () => {
    await hold('first');
    await place('b');
    await expectKept('first', 'a');
    for (const address of pair) assert.equal(await reach(address), 'b hello');
    await hold('second');
    await expectKept('first', 'a');
    await place('a');
    await expectKept('first', 'a');
    await expectKept('second', 'b');
    for (const address of pair) assert.equal(await reach(address), 'a hello');
    await drop('first', 'second');
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
    for (const address of pair) assert.deepEqual(await lab.holders(address, 'lo'), []);
  });
});
