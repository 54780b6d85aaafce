import assert from 'node:assert/strict';
import { timing } from '../../../../src/ingress/addresses/timing.ts';
import { AddressLab, nodeNames, pause, ports, virtualAddress } from '../../../lab/address-lab.ts';
import { runIn } from '../../../lab/namespaces.ts';
import { until } from '../../../until.ts';

const pair = ([4, 6] as const).map((family) => virtualAddress(10, family));
const options = ['--share-delay', '1h'];
const count = 40;

describe('two processes of virtual addresses on a node, as in an update', function () {
  this.timeout(60_000);
  const lab = new AddressLab();
  before(async () => {
    await lab.up();
    await lab.start(pair, options);
    await settleOn('a');
  });
  after(() => lab.down());

  /** Leaves one node that serves, so that no other can hide a gap, and waits until it holds both addresses. */
  async function settleOn(only: 'a' | 'b'): Promise<void> {
    for (const node of nodeNames) lab.change(node, { ready: node === only });
    for (const address of pair) await lab.holder(address, (node) => node === only);
    const isKnown = () => pair.every((address) => lab.sight(only, address)?.state === 'held');
    await until(isKnown, () => [lab.state(only), lab.log]);
  }

  async function hold(name: string): Promise<void> {
    for (const host of pair) {
      for (const port of [ports.local, ports.forwarded]) {
        const reply = await lab.tell('client', { do: 'hold', name: `${name} ${host} ${port}`, host, port, count });
        assert.equal(reply.count, count);
      }
    }
  }

  async function expectKept(name: string, node: string): Promise<void> {
    for (const host of pair) {
      for (const port of [ports.local, ports.forwarded]) {
        const held = `${name} ${host} ${port}`;
        const { nodes } = await lab.tell('client', { do: 'check', name: held, timeout: 10_000 });
        assert.deepEqual(nodes, { [port === ports.local ? node : 'endpoint']: count }, `${held}: ${lab.log}`);
        await lab.tell('client', { do: 'drop', name: held });
      }
    }
  }

  it('lets the second one wait, which changes neither rules nor addresses, and ends at once on SIGTERM', async () => {
    const rules = () => runIn(lab.netns('a'), 'nft', ['-s', '-a', 'list', 'table', 'ip', 'ingress-addresses-lab']);
    const before = await rules();
    const at = lab.state('a')?.counters;
    await lab.runNext('a', options);
    const began = lab.state('a')?.writtenAt ?? 0;
    await until(
      () => (lab.state('a')?.writtenAt ?? 0) > began,
      () => lab.log,
    );
    assert.deepEqual(lab.state('a')?.counters.moves, at?.moves);
    assert.equal(await rules(), before);
    await lab.signal('a', 'SIGTERM');
    await until(
      () => !lab.isRunning('a'),
      () => lab.log,
    );
    for (const address of pair) assert.deepEqual(await lab.holders(address), ['a']);
    assert.equal(lab.sight('a', pair[0] as string)?.state, 'held');
    lab.forgetNext('a');
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    it(`continues to hold the addresses of a process that ends with ${signal}, with all connections`, async () => {
      await settleOn('a');
      await hold(signal);
      const endPrevious = await lab.runNext('a', options);
      for (const address of pair) await lab.ask(address);
      await lab.tell('client', { do: 'hammer', host: pair[0] as string, port: ports.local });
      const before = lab.wholeLog.length;
      await endPrevious(signal);
      const isAdopted = () =>
        pair.every((address) => lab.wholeLog.slice(before).includes(`"address":"${address}","msg":"Adopted`));
      await until(isAdopted, () => lab.log);
      // The lifetimes that the previous process set must have ended.
      await pause(timing.lifetime + timing.renewal);
      for (const address of pair) {
        const spans = await lab.answers(address);
        assert.deepEqual([...new Set(spans.map(({ node }) => node))], ['a'], JSON.stringify(spans));
      }
      const { nodes = {} } = await lab.tell('client', { do: 'relax' });
      assert.deepEqual(Object.keys(nodes), ['a hello'], JSON.stringify(nodes));
      await expectKept(signal, 'a');
      for (const address of pair) assert.equal(lab.sight('a', address)?.state, 'held');
    });
  }

  it('continues to forward to previous holders, and to serve what a previous process drained', async () => {
    await hold('first');
    await settleOn('b');
    const [endOld, endNew] = [await lab.runNext('a', options), await lab.runNext('b', options)];
    const before = lab.wholeLog.length;
    await Promise.all([endOld('SIGTERM'), endNew('SIGKILL')]);
    const began = Date.now();
    // Packets that arrive before the new process has heard the previous holder must be forwarded, too.
    const isActive = async () => {
      for (const host of pair) {
        const name = `first ${host} ${ports.local}`;
        await lab.tell('client', { do: 'check', name, timeout: 10_000 });
      }
      const isAdopted = pair.every((one) => lab.wholeLog.slice(before).includes(`"address":"${one}","msg":"Adopted`));
      const { members = [], writtenAt = 0 } = lab.state('b') ?? {};
      return isAdopted && writtenAt > began && members.every(({ alive }) => alive);
    };
    await until(isActive, () => [lab.state('b'), lab.log], 20_000);
    await expectKept('first', 'a');
    // The new process of the previous holder counts the connections and removes the address after the last one.
    const isDrained = async () => (await Promise.all(pair.map((one) => lab.holders(one, 'lo')))).flat().length === 0;
    await until(isDrained, () => [lab.state('a'), lab.log], 20_000);
  });
});
