import assert from 'node:assert/strict';
import {
  AddressLab,
  type NodeName,
  nodeNames,
  ownAddress,
  ports,
  sourceOf,
  virtualAddress,
} from '../../../lab/address-lab.ts';
import { AddressWatch } from '../../../lab/address-watch.ts';
import { runIn, runIp } from '../../../lab/namespaces.ts';
import { until } from '../../../until.ts';

const families = [4, 6] as const;
const pair = families.map((family) => virtualAddress(10, family));

function others(node: string): (one: string) => boolean {
  return (one) => one !== node;
}

describe('ingress-addresses', function () {
  this.timeout(60_000);
  const lab = new AddressLab();
  const watch = new AddressWatch(lab, pair);
  before(async () => {
    await lab.up();
    await lab.start(pair);
    for (const address of pair) await lab.holder(address);
  });
  after(() => lab.down());

  it('spreads two addresses over two of three nodes and reports it everywhere', async () => {
    const holders = await watch.settle();
    for (const [address, holder] of holders) {
      assert.equal(lab.sight(holder, address)?.state, 'held');
      for (const node of nodeNames.filter(others(holder))) assert.equal(lab.sight(node, address)?.state, 'elsewhere');
    }
  });

  it('adds addresses that expire and are not used as source addresses', async () => {
    const holders = await watch.settle();
    for (const [address, holder] of holders) {
      const text = await runIn(lab.netns(holder), 'ip', ['address', 'show', 'dev', 'eth0', 'to', address]);
      assert.match(text, /valid_lft [12]sec/, address);
      if (address.includes(':')) assert.match(text, /deprecated.*preferred_lft 0sec/s);
    }
  });

  it('serves claimed ports and rejects all other traffic', async () => {
    const holders = await watch.settle();
    for (const family of families) {
      const [address, holder] = [virtualAddress(10, family), holders.get(virtualAddress(10, family)) as NodeName];
      const reach = async (host: string, port: number) =>
        (await lab.tell('client', { do: 'reach', host, port, timeout: 5000 })).text;
      assert.equal(await reach(ownAddress(holder, family), ports.closed), 'sshd hello');
      assert.equal(await reach(address, ports.closed), 'ECONNREFUSED');
      assert.equal(await reach(address, ports.local), `${holder} hello`);
      assert.equal(await reach(address, ports.forwarded), 'endpoint hello');
    }
  });

  it('continues to hold an address when a process is killed and starts again within the lifetime', async () => {
    const [address = ''] = pair;
    // On a busy machine a start may take longer than the lifetime.
    for (let attempt = 0; attempt < 5; attempt++) {
      const node = (await watch.settle()).get(address) as NodeName;
      const before = lab.wholeLog.length;
      await lab.signal(node, 'SIGKILL');
      lab.run(node);
      const after = await watch.settle();
      const isAdopted = lab.wholeLog.slice(before).includes('Adopted an address of a previous process');
      if (!isAdopted) continue;
      assert.equal(after.get(address), node);
      return;
    }
    assert.fail(`the process never started within the lifetime: ${lab.log}`);
  });

  it('moves the address of a node that no longer serves', async () => {
    for (const change of [{ ready: false }, { checks: [{ address: '127.0.0.1', port: 9 }] }, { drain: true }]) {
      const [address = ''] = pair;
      const node = (await watch.settle()).get(address) as NodeName;
      lab.change(node, change);
      await lab.holder(address, others(node));
      lab.change(node, { ready: true, drain: false, checks: [{ address: '127.0.0.1', port: ports.local }] });
    }
  });

  it('does not take an address that another machine uses, and takes it when it is free', async () => {
    const used = families.map((family) => virtualAddress(11, family));
    const change = (word: string) =>
      runIp(
        lab.netns('stranger'),
        used.map(
          (text) =>
            `address ${word} ${text}/${text.includes(':') ? 128 : 32} dev eth0${text.includes(':') && word === 'add' ? ' nodad' : ''}`,
        ),
      );
    await change('add');
    await lab.start([...pair, ...used]);
    for (const address of used) {
      const hasConflict = () => nodeNames.some((node) => lab.sight(node, address)?.state === 'conflict');
      await until(hasConflict, () => [nodeNames.map((node) => lab.sight(node, address)), lab.log]);
      const rivals = nodeNames.flatMap((node) => lab.sight(node, address)?.rival ?? []);
      assert.ok(
        rivals.every((mac) => mac === '02:00:00:00:00:42'),
        rivals.join(' '),
      );
      assert.deepEqual(await lab.holders(address), []);
    }
    await change('delete');
    for (const address of used) await lab.holder(address);
    await lab.start(pair);
    for (const address of used)
      await until(
        async () => (await lab.holders(address)).length === 0,
        () => lab.log,
      );
  });

  it('keeps an address that another machine falsely claims, and counts the claim', async () => {
    const holders = await watch.settle();
    for (const family of families) {
      const address = virtualAddress(10, family);
      const holder = holders.get(address) as NodeName;
      const before = lab.state(holder)?.counters.rivals ?? 0;
      const program = `
        import { WireConversation } from '${sourceOf('base/linux/wire-probe.ts')}';
        import { parseAddress } from '${sourceOf('base/model/address.ts')}';
        import { NetlinkSocket } from '${sourceOf('base/linux/netlink/socket.ts')}';
        import { findLink } from '${sourceOf('base/linux/netlink/link.ts')}';
        const address = parseAddress('${address}');
        const link = findLink(new NetlinkSocket(0), 'eth0');
        new WireConversation(link, [{ address, hears: 'claims' }], 20).announce(address);`;
      await runIn(lab.netns('stranger'), process.execPath, ['--input-type=module', '-e', program]);
      await until(
        () => (lab.state(holder)?.counters.rivals ?? 0) > before,
        () => [lab.state(holder), lab.log],
      );
      assert.deepEqual(await lab.holders(address), [holder]);
      // The holder announces itself, so that clients that believed the claim come back.
      await lab.answers(address);
      await lab.answering(address, (node) => node === holder);
    }
  });

  it('ignores heartbeats of machines that are not members, and never answers them', async () => {
    const target = ownAddress('a', 4);
    const rejected = () => Object.values(lab.state('a')?.counters.rejectedHeartbeats ?? {}).reduce((a, b) => a + b, 0);
    const before = rejected();
    const program = `
      import { createSocket } from 'node:dgram';
      const socket = createSocket('udp4');
      let answers = 0;
      socket.on('message', () => answers++);
      socket.bind(${ports.heartbeat}, () => {
        const texts = ['', 'x', 'era1 ' + '0'.repeat(64) + ' one {}', 'era1 ' + '0'.repeat(64) + ' two {}'];
        for (const text of texts) socket.send(text, ${ports.heartbeat}, '${target}');
        setTimeout(() => { console.log(answers); socket.close(); }, 500);
      });`;
    const answers = await runIn(lab.netns('stranger'), process.execPath, ['--input-type=module', '-e', program]);
    assert.equal(answers, '0');
    await until(
      () => rejected() >= before + 4,
      () => lab.state('a'),
    );
  });

  it('replaces keys without losing a heartbeat', async () => {
    const holders = await watch.settle();
    const [old] = lab.keys;
    const next = { id: 'two', secret: Buffer.alloc(32, 7).toString('base64') };
    assert.ok(old);
    for (const keys of [[old, next], [next, old], [next]]) {
      for (const node of nodeNames) {
        lab.setKeys(keys, [node]);
        assert.deepEqual(await watch.settle(), holders);
      }
    }
    lab.setKeys([old, next]);
    assert.deepEqual(await watch.settle(), holders);
  });

  it('holds 50 addresses, and moves those of a dead node', async () => {
    const many = Array.from({ length: 50 }, (_, index) => virtualAddress(10 + (index >> 1), index % 2 === 0 ? 4 : 6));
    const all = many.map((address) => address.replace(/\.(\d+)$/, (_, number) => `.${Number(number) + 100}`));
    await lab.start(all);
    const spread = async (): Promise<number[]> => {
      const counts = nodeNames.map(
        (node) => lab.state(node)?.addresses.filter(({ state }) => state === 'held').length ?? 0,
      );
      return counts;
    };
    const isSpread = async (limit: number): Promise<boolean> => {
      const counts = await spread();
      return counts.reduce((sum, one) => sum + one, 0) === 50 && counts.every((one) => one <= limit);
    };
    await until(
      () => isSpread(17),
      () => [nodeNames.map((node) => lab.state(node)?.addresses.length), lab.log],
      30_000,
    );
    await lab.kill('a');
    const isMoved = () => {
      const counts = ['b' as const, 'c' as const].map(
        (node) => lab.state(node)?.addresses.filter(({ state }) => state === 'held').length ?? 0,
      );
      return counts[0] === 25 && counts[1] === 25;
    };
    await until(isMoved, () => [lab.state('b')?.addresses, lab.log], 20_000);
  });
});
