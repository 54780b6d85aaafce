import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { addNamespaces } from '../../../lab/namespaces.ts';
import { configure } from './configurations.ts';

describe('a new router, and one that moves', () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.up('ermove', { secondNode: true });
    await lab.serveOutside({ tcp: [80], udp: [] });
    // A second pod, on the second node, with a cluster network of its own.
    await addNamespaces([lab.netns('extra')]);
    await lab.ip(
      'node2',
      'link add to-pod type veth peer name eth0 netns ermove-extra',
      'address add 10.128.30.1/24 dev to-pod',
      'link set to-pod up',
    );
    await lab.ip(
      'extra',
      'address add 10.128.30.18/24 dev eth0',
      'link set lo up',
      'link set eth0 up',
      'route add default via 10.128.30.1',
    );
  });
  after(() => lab.down());

  it('is announced by ARP and neighbor advertisements, more than once', async () => {
    const arp = await lab.capture('outsider', 'eth0', 'arp');
    const advertisements = await lab.capture('outsider', 'eth0', 'icmp6 and ip6[40] == 136');
    const added = await lab.plugin('ADD', configure([4, 6]));
    assert.equal(added.status, 0, added.stdout);
    const mac = added.json?.interfaces?.[0]?.mac ?? '';
    const gratuitous = (await arp.stop()).filter((line) => line.includes(`${at.reserved[4]} tell ${at.reserved[4]}`));
    assert.ok(gratuitous.length >= 2, gratuitous.join('\n'));
    for (const line of gratuitous) assert.ok(line.includes(mac), line);
    const unsolicited = (await advertisements.stop()).filter((line) => line.includes(`tgt is ${at.reserved[6]}`));
    assert.ok(unsolicited.length >= 2, unsolicited.join('\n'));
    for (const line of unsolicited) assert.ok(line.includes(mac), line);
  });

  it('is reachable at once on another node with another hardware address', async () => {
    const far = await lab.agent('far');
    assert.equal(await far.reach('tcp', at.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
    const before = await lab.run('outside', 'ip', ['neighbour', 'show', at.reserved[4]]);
    assert.equal((await lab.plugin('DEL', configure([4, 6]))).status, 0);
    const moved = await lab.plugin('ADD', configure([4]), {
      netns: lab.netns('node2'),
      podNetns: lab.path('extra'),
      containerId: 'ermove-second',
    });
    assert.equal(moved.status, 0, moved.stdout);
    const mac = moved.json?.interfaces?.[0]?.mac ?? 'none';
    assert.ok(!before.includes(mac), 'the hardware address did not change');
    // Without a word from the router the gateway knows its new place.
    assert.match(await lab.run('outside', 'ip', ['neighbour', 'show', at.reserved[4]]), new RegExp(mac));
    const node2 = await lab.agent('node2');
    assert.equal(await node2.reach('tcp', '10.128.30.18', 8080), `${at.reserved[4]} ${at.web[4]} 80`);
    await lab.plugin('DEL', configure([4]), {
      netns: lab.netns('node2'),
      podNetns: lab.path('extra'),
      containerId: 'ermove-second',
    });
  });
});
