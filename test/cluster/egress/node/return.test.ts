import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { findLink } from '../../../../src/base/linux/netlink/link.ts';
import { NetlinkSocket, netlinkFamily } from '../../../../src/base/linux/netlink/socket.ts';
import { WireConversation } from '../../../../src/base/linux/wire-probe.ts';
import { type Address, parseAddress } from '../../../../src/base/model/address.ts';
import type { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { inNamespace } from '../../../netns/base/linux/wire.ts';
import { until } from '../../../until.ts';
import { type Place, secondPod, TwoNodes } from '../../lab/two-nodes.ts';

/** What a switch does that drops the first node's frames both ways. */
const cutTable = `table bridge cut {
  chain forward {
    type filter hook forward priority 0
    iifname to-node drop
    oifname to-node drop
  }
}
`;

const stale: Place = { node: 'node', pod: 'pod', name: 'old' };
const living: Place = { node: 'node2', pod: 'extra', name: 'new' };

describe('a node that returns after its router was moved, as built', () => {
  let nodes: TwoNodes;
  let lab: Lab;
  let children: ChildProcess[];

  beforeEach(async () => {
    children = [];
    nodes = await TwoNodes.up('erret');
    lab = nodes.lab;
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    await nodes.down();
  });

  /**
   * What makes the kernel of a pod look for its gateways without end: datagrams, as the readiness probe of earlier
   * versions sent them, and clients of the node that go on. Each forgets the gateway first, as time does.
   */
  async function stir(): Promise<void> {
    const script = `
      const { createSocket } = require('node:dgram');
      for (const [type, gateway] of [['udp4', '${at.gateway[4]}'], ['udp6', '${at.gateway[6]}']]) {
        const socket = createSocket(type);
        socket.on('error', () => undefined);
        setInterval(() => socket.send('', 9, gateway, () => undefined), 20);
      }
      process.stdout.write('on');
    `;
    const child = spawn('ip', ['netns', 'exec', lab.netns('pod'), process.execPath, '-e', script]);
    children.push(child);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const flush = spawn('ip', [
      'netns',
      'exec',
      lab.netns('pod'),
      'sh',
      '-c',
      'while sleep 0.1; do ip neigh flush dev net1; done',
    ]);
    children.push(flush);
  }

  const cuts: readonly (readonly [name: string, cut: () => Promise<unknown>, mend: () => Promise<unknown>])[] = [
    [
      'whose cable was pulled',
      () => lab.ip('phys', 'link set to-node down'),
      () => lab.ip('phys', 'link set to-node up'),
    ],
    [
      'whose frames a switch dropped, with a carrier all the time',
      () => lab.run('phys', 'nft', ['-f', '-'], cutTable),
      () => lab.run('phys', 'nft', ['delete', 'table', 'bridge', 'cut']),
    ],
  ];

  for (const [name, cut, mend] of cuts) {
    it(`sends nothing under the address that another node has now: one ${name}`, async () => {
      await nodes.addRouter(stale);
      await stir();
      const before = await nodes.captureClaims(stale.pod);
      await sleep(1000);
      assert.ok((await before.stop()).length > 0, 'a router that is well uses its address');
      await cut();
      await until(
        () => nodes.daemons[0]?.output.includes('is suspended') === true,
        () => nodes.daemons[0]?.output.slice(-3000),
        5000,
      );
      nodes.deletePod('old');
      await nodes.addRouter(living);
      const client = await lab.agent('node2');
      const loads = ['one', 'two', 'three', 'four'];
      // Shorter than a SYN's repetition: one that goes astray fails.
      for (const load of loads) await client.hammer(load, 'tcp', secondPod.pod[4], 8080, { timeout: 900 });
      await sleep(2000);
      const claims = await nodes.captureClaims(stale.pod);
      await mend();
      await sleep(6000);
      assert.deepEqual(await claims.stop(), []);
      const reports = await Promise.all(loads.map((load) => client.stopHammer(load)));
      const answer = `${at.reserved[4]} ${at.web[4]} 80`;
      assert.deepEqual(
        [...new Set(reports.flatMap((report) => Object.keys(report)))],
        [answer],
        JSON.stringify(reports),
      );
    }).timeout(60_000);

    it(`uses its address again where no other router was started: one ${name}`, async () => {
      await nodes.addRouter(stale);
      await cut();
      await until(
        () => nodes.daemons[0]?.output.includes('is suspended') === true,
        () => nodes.daemons[0]?.output.slice(-3000),
        5000,
      );
      await mend();
      await until(
        () => nodes.daemons[0]?.output.includes('Router resumed') === true,
        () => nodes.daemons[0]?.output.slice(-3000),
        10_000,
      );
      const client = await lab.agent('near');
      assert.equal(await client.reach('tcp', at.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
      assert.equal(await client.reach('tcp', at.pod[6], 8081), `${at.reserved[6]} ${at.web[6]} 80`);
    }).timeout(60_000);
  }

  it('meets a living router that answers a rival at once, and does not give way to it', async () => {
    await nodes.addRouter(living);
    const mac = (await lab.run('extra', 'cat', ['/sys/class/net/net1/address'])).trim();
    // With its first question, the daemon also begins to listen.
    const asked = await lab.capture('outsider', 'eth0', `ether src ${mac} and (arp or icmp6)`);
    await until(
      () => asked.seen > 0,
      () => nodes.daemons[1]?.output.slice(-3000),
      20_000,
    );
    await asked.stop();
    for (const family of [4, 6] as const) {
      const address = parseAddress(at.reserved[family]);
      assert.ok(address);
      const filter = family === 4 ? 'arp[14:4] = 0xc0a80c63' : 'icmp6 and ip6[40] = 136 and ip6[60:4] = 0x00000099';
      const answers = await lab.capture('outsider', 'eth0', `ether src ${mac} and ether[0] & 1 != 0 and ${filter}`);
      claim(address);
      await until(
        () => answers.seen > 0,
        () => [address.text, nodes.daemons[1]?.output.slice(-3000)],
        5000,
      );
      await answers.stop();
      await sleep(1000);
    }
    const link = await lab.run('extra', 'ip', ['-br', 'link', 'show', 'net1']);
    assert.match(link, /UP/);
    const client = await lab.agent('node2');
    assert.equal(await client.reach('tcp', secondPod.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
  }).timeout(60_000);

  /** A machine outside says that an address is its own, as a router does that knows no better. */
  function claim(address: Address): void {
    inNamespace(lab.netns('outsider'), () => {
      const socket = new NetlinkSocket(netlinkFamily.route);
      const link = findLink(socket, 'eth0');
      socket.close();
      assert.ok(link);
      const conversation = new WireConversation(link, [{ address }], 0);
      conversation.announce(address);
      conversation.close();
    });
  }
});
