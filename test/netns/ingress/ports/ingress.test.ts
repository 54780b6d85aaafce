import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { readNftables } from '../../../../src/base/firewall/nftables.ts';
import { withConntrack } from '../../../../src/base/linux/conntrack-session.ts';
import { type Connection, listConnections } from '../../../../src/base/linux/netlink/conntrack.ts';
import { parsePrefix } from '../../../../src/base/model/address.ts';
import { describeFirewall } from '../../../../src/ingress/ports/firewall.ts';
import { NftablesIngress } from '../../../../src/ingress/ports/linux/nftables-ingress.ts';
import type { IngressPort, IngressRules, WeightedEndpoint } from '../../../../src/ingress/ports/model.ts';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { address } from '../../../unit/base/rules/examples.ts';
import { openingFrame } from '../../base/linux/frames.ts';
import { inNamespace, throughoutInNamespace, Wire } from '../../base/linux/wire.ts';

const here = { pod: at.pod[4], near: at.near[4], far: at.far[4] } as const;

function endpoint(host: keyof typeof here, weight = 1, port = 7000): WeightedEndpoint {
  return { address: address(here[host]), port, weight, local: host !== 'far' };
}

function open(port: Partial<IngressPort> & Pick<IngressPort, 'endpoints'>): IngressPort {
  return { protocol: 'tcp', port: 13306, balance: 'roundrobin', limits: {}, ...port };
}

const drainTime = 60_000;
const settings = { name: 'test', drainTime };

describe('open ports of an ingress node', () => {
  let lab: Lab;
  let ingress: NftablesIngress;
  before(async () => {
    lab = await Lab.up('eringr');
    for (const host of ['pod', 'near', 'far'] as const) {
      const agent = await lab.agent(host);
      await agent.serve('tcp', here[host], 7000);
      await agent.serve('udp', here[host], 7000);
    }
    // Clients outside know no way to the cluster: only what the node answers for reaches them.
    await lab.ip('outsider', 'route delete 10.128.0.0/14', `route add default via ${at.node[4]}`);
    await lab.ip(
      'outsider',
      ...Array.from({ length: 40 }, (_, index) => `address add 192.168.12.${150 + index}/24 dev eth0`),
    );
    ingress = new NftablesIngress(settings);
  });
  after(() => lab.down());
  afterEach(() => onNode(() => ingress.remove()));

  function onNode<T>(run: () => T): T {
    return inNamespace(lab.netns('node'), run);
  }

  function apply(...ports: IngressPort[]): void {
    const rules: IngressRules = { name: 'test', ports };
    onNode(() => ingress.apply(rules));
  }

  /** What the agent does after a change, off its way. */
  function tend(): Promise<number | undefined> {
    return onNode(() => ingress.cleanUp());
  }

  async function reach(port = 13306, protocol: 'tcp' | 'udp' = 'tcp', from: string = at.outsider[4]): Promise<string> {
    return (await lab.agent('outsider')).reach(protocol, at.node[4], port, { from });
  }

  function tracked(): Connection[] {
    let list: Connection[] = [];
    onNode(() =>
      withConntrack((conntrack) => {
        list = listConnections(conntrack);
      }),
    );
    return list;
  }

  it('keep the client address for an endpoint on this node, and replace it for one elsewhere', async () => {
    apply(open({ endpoints: [endpoint('pod')] }), open({ port: 18080, endpoints: [endpoint('far')] }));
    assert.equal(await reach(13306), `${at.outsider[4]} ${here.pod} 7000`);
    assert.equal(await reach(18080), `10.128.20.1 ${here.far} 7000`);
  });

  it('lead a pod back to itself, and to another on its bridge', async () => {
    apply(open({ endpoints: [endpoint('pod')] }));
    const pod = await lab.agent('pod');
    assert.equal(await pod.reach('tcp', at.node[4], 13306), `10.128.10.1 ${here.pod} 7000`);
    const far = await lab.agent('far');
    assert.equal(await far.reach('tcp', at.node[4], 13306), `${here.far} ${here.pod} 7000`);
  });

  it('serve the node itself at its own address', async () => {
    apply(open({ endpoints: [endpoint('pod')] }), open({ port: 18080, endpoints: [endpoint('far')] }));
    const node = await lab.agent('node');
    assert.match(await node.reach('tcp', at.node[4], 13306), new RegExp(` ${here.pod} 7000$`));
    assert.match(await node.reach('tcp', at.node[4], 18080), new RegExp(` ${here.far} 7000$`));
  });

  it('serve one port at two addresses of the node by different endpoints, and nowhere else', async () => {
    const second = '192.168.12.7';
    const third = '192.168.12.8';
    await lab.ip('node', `address add ${second}/24 dev eth1`, `address add ${third}/24 dev eth1`);
    try {
      const place = (text: string, host: keyof typeof here, more: Partial<IngressPort> = {}): IngressPort =>
        open({ address: address(text), ofNode: true, endpoints: [endpoint(host)], ...more });
      const placed = [at.node[4], second].map(address);
      const install = (...ports: IngressPort[]): void =>
        onNode(() => ingress.apply({ name: 'test', ports, ...(placed.length > 0 && { placed }) }));
      const everywhere = open({ port: 18080, endpoints: [endpoint('near')] });
      const all = (['tcp', 'udp'] as const).flatMap((protocol) => [
        place(at.node[4], 'pod', { protocol }),
        place(second, 'near', { protocol }),
      ]);
      install(everywhere, ...all);
      const outsider = await lab.agent('outsider');
      const ask = (to: string, port = 13306, protocol: 'tcp' | 'udp' = 'tcp') =>
        outsider.reach(protocol, to, port, { from: at.outsider[4], timeout: 1000 });
      for (const protocol of ['tcp', 'udp'] as const) {
        assert.equal(await ask(at.node[4], 13306, protocol), `${at.outsider[4]} ${here.pod} 7000`);
        assert.equal(await ask(second, 13306, protocol), `${at.outsider[4]} ${here.near} 7000`);
        assert.notEqual((await ask(third, 13306, protocol)).split(' ')[2], '7000');
      }
      // Ports of all addresses are served there, too.
      for (const to of [at.node[4], second, third])
        assert.equal(await ask(to, 18080), `${at.outsider[4]} ${here.near} 7000`);
      // Also for the node itself.
      const node = await lab.agent('node');
      assert.match(await node.reach('tcp', second, 13306), new RegExp(` ${here.near} 7000$`));
      assert.equal(await node.reach('tcp', third, 13306), 'ECONNREFUSED');
      const traffic = await throughoutInNamespace(lab.netns('node'), () => ingress.readTraffic());
      assert.deepEqual(
        [at.node[4], second].map((one) => traffic.get(`tcp 13306 ${one}`)?.connections),
        [1, 2],
      );
      assert.equal(traffic.get('tcp 18080')?.connections, 3);
      // Connections survive a change of another address, and end with their own port.
      await outsider.hold('placed', at.node[4], 13306, { from: at.outsider[4] });
      install(everywhere, ...all.slice(0, 1), place(second, 'near', { endpoints: [] }));
      await tend();
      assert.equal(await ask(second), 'ECONNREFUSED');
      assert.equal(await outsider.say('placed', 'still'), 'still');
      placed.length = 0;
      install(everywhere);
      assert.equal(await ask(at.node[4]), 'ECONNREFUSED');
      assert.equal(await ask(second, 18080), `${at.outsider[4]} ${here.near} 7000`);
    } finally {
      await lab.ip('node', `address del ${second}/24 dev eth1`, `address del ${third}/24 dev eth1`);
    }
  });

  it('reject at once without an endpoint', async () => {
    apply(open({ endpoints: [] }));
    assert.equal(await reach(), 'ECONNREFUSED');
  });

  it('reject the share of an unusable backend, for TCP and UDP', async () => {
    const half = { endpoints: [endpoint('pod')], refused: { 4: 1 } } as const;
    apply(open(half), open({ ...half, protocol: 'udp', port: 15353 }));
    const answered = `${at.outsider[4]} ${here.pod} 7000`;
    const outcomes = new Set<string>();
    for (let number = 0; number < 40; number++) outcomes.add(await reach());
    assert.deepEqual([...outcomes].sort(), [answered, 'ECONNREFUSED']);
    // The kernel says only so often that a port is unreachable: the second refusal may be silence.
    const outsider = await lab.agent('outsider');
    const seen = new Set<boolean>();
    for (let number = 0; number < 40 && seen.size < 2; number++) {
      seen.add((await outsider.reach('udp', at.node[4], 15353, { timeout: 300 })) === answered);
    }
    assert.equal(seen.size, 2);
  });

  it('accept a connection that meets the chain of more endpoints than the map still has', async function () {
    this.timeout(90_000);
    for (const balance of ['roundrobin', 'source'] as const) {
      const endpoints = [endpoint('pod'), endpoint('near')];
      apply(open({ endpoints, balance }));
      // A transaction that removes an endpoint deletes its elements for all processors before they see the new chain.
      const tables = await lab.run('node', 'nft', ['list', 'tables', 'inet']);
      const table = /table (inet ingress-agent-test-\w+)/.exec(tables)?.[1] ?? '';
      const listed = await lab.run('node', 'nft', ['-n', 'list', 'map', ...table.split(' '), 'tcp4']);
      const slots = [...listed.matchAll(/13306 \. (\d+) :/g)].flatMap(([, slot]) => slot ?? []);
      const others = slots.filter((slot) => slot !== '0').map((slot) => `13306 . ${slot}`);
      assert.equal(others.length, slots.length - 1, listed);
      await lab.run('node', 'nft', [`delete element ${table} tcp4 { ${others.join(', ')} }`]);
      const outcomes = new Set<string>();
      for (let client = 150; client < 170; client++) {
        outcomes.add((await reach(13306, 'tcp', `192.168.12.${client}`)).replace(/^\S+ /, ''));
      }
      assert.equal(outcomes.size, 1, `${balance}: ${[...outcomes].join()}`);
      assert.ok(![...outcomes].join().includes('ECONNREFUSED'), balance);
      onNode(() => ingress.remove());
    }
  });

  it('admit the clients of the allow-list, and none with an empty one', async () => {
    const allowed = [parsePrefix('192.168.12.150/31')].filter((one) => one !== undefined);
    apply(
      open({ endpoints: [endpoint('pod')], allowed }),
      open({ port: 18080, endpoints: [endpoint('pod')], allowed: [] }),
    );
    assert.equal(await reach(13306, 'tcp', '192.168.12.151'), `192.168.12.151 ${here.pod} 7000`);
    const outsider = await lab.agent('outsider');
    const refused = { from: '192.168.12.152', timeout: 400 };
    assert.equal(await outsider.reach('tcp', at.node[4], 13306, refused), 'timeout');
    assert.equal(await outsider.reach('tcp', at.node[4], 18080, { ...refused, from: '192.168.12.151' }), 'timeout');
  });

  it('distribute ten thousand connections by weight, within five percent', async function () {
    this.timeout(60_000);
    apply(open({ endpoints: [endpoint('pod', 50), endpoint('near', 30), endpoint('far', 20)] }));
    const counts = await sendMany(10_000);
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    assert.ok(total > 9_500, `${total} of 10000 were tracked`);
    for (const [host, share] of [
      ['pod', 0.5],
      ['near', 0.3],
      ['far', 0.2],
    ] as const) {
      const seen = (counts.get(here[host]) ?? 0) / total;
      assert.ok(Math.abs(seen - share) < 0.05 * share + 0.01, `${host} had ${seen}, not ${share}`);
    }
  });

  /** Sends that many opening frames from many clients; returns how many each endpoint got. */
  async function sendMany(many: number): Promise<Map<string, number>> {
    await lab.run('node', 'conntrack', ['-F']).catch(() => '');
    const index = Number((await lab.run('outsider', 'cat', ['/sys/class/net/eth0/ifindex'])).trim());
    const mac = (await lab.run('node', 'cat', ['/sys/class/net/eth1/address'])).trim();
    const wire = new Wire(lab.netns('outsider'), index);
    try {
      for (let number = 0; number < many; number++) {
        const packet = {
          source: address(`192.168.12.${150 + (number % 40)}`),
          destination: address(at.node[4]),
          protocol: 'tcp' as const,
          sourcePort: 20_000 + Math.floor(number / 40),
          port: 13306,
        };
        const frame = openingFrame(packet, 9, 9);
        frame.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), 0);
        wire.send(frame);
        // The receiving side works in this thread's shadow: let it.
        if (number % 500 === 499) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    } finally {
      wire.close();
    }
    const counts = new Map<string, number>();
    for (const { answeredBy, destinationPort } of tracked()) {
      if (destinationPort !== 13306) continue;
      counts.set(answeredBy.address.text, (counts.get(answeredBy.address.text) ?? 0) + 1);
    }
    return counts;
  }

  it('keep a client on its endpoint with source, and move only the clients of a removed one', async () => {
    const all = [endpoint('pod'), endpoint('near'), endpoint('far')];
    const clients = Array.from({ length: 40 }, (_, index) => `192.168.12.${150 + index}`);
    const ask = async (): Promise<string[]> => {
      const replies: string[] = [];
      for (const client of clients) replies.push((await reach(13306, 'tcp', client)).split(' ')[1] ?? 'nobody');
      return replies;
    };
    apply(open({ endpoints: all, balance: 'source' }));
    const first = await ask();
    assert.deepEqual(await ask(), first);
    assert.equal(new Set(first).size, 3);
    apply(open({ endpoints: all.slice(0, 2), balance: 'source' }));
    const second = await ask();
    for (const [index, was] of first.entries()) {
      if (was !== here.far) assert.equal(second[index], was, `client ${clients[index]} moved without need`);
      else assert.notEqual(second[index], here.far);
    }
  });

  it('admit four concurrent connections with a limit of five, and count each client separately', async () => {
    apply(open({ endpoints: [endpoint('pod')], limits: { concurrent: 5 } }));
    const outsider = await lab.agent('outsider');
    const from = '192.168.12.160';
    for (let number = 1; number <= 4; number++) {
      assert.equal(await outsider.hold(`c${number}`, at.node[4], 13306, { from }), `${from} ${here.pod} 7000`);
    }
    assert.equal(await outsider.hold('c5', at.node[4], 13306, { from }), 'ECONNREFUSED');
    assert.match(await outsider.hold('other', at.node[4], 13306, { from: '192.168.12.161' }), /7000$/);
  });

  it('reject the tenth attempt in three seconds with a limit of ten, and all later ones of a client that continues', async () => {
    apply(open({ endpoints: [endpoint('pod')], limits: { rate: 10 } }));
    const from = '192.168.12.162';
    const outcomes: string[] = [];
    for (let number = 0; number < 12; number++) outcomes.push(await reach(13306, 'tcp', from));
    assert.deepEqual(
      outcomes.map((one) => one === 'ECONNREFUSED'),
      [false, false, false, false, false, false, false, false, false, true, true, true],
    );
    assert.match(await reach(13306, 'tcp', '192.168.12.163'), /7000$/);
    // Refused attempts count: five a second are more than ten in three seconds, and none gets in.
    for (let number = 0; number < 25; number++) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal(await reach(13306, 'tcp', from), 'ECONNREFUSED', `attempt ${number}`);
    }
    // Who waits is let in again.
    await new Promise((resolve) => setTimeout(resolve, 3300));
    assert.match(await reach(13306, 'tcp', from), /7000$/);
  }).timeout(20_000);

  it('keep established connections across updates, a draining endpoint and a new agent', async () => {
    const outsider = await lab.agent('outsider');
    apply(open({ endpoints: [endpoint('pod')] }));
    assert.match(await outsider.hold('kept', at.node[4], 13306), new RegExp(` ${here.pod} 7000$`));
    // Another port, another endpoint, then its own endpoint gone.
    apply(
      open({ endpoints: [endpoint('pod'), endpoint('near')] }),
      open({ port: 18080, endpoints: [endpoint('near')] }),
    );
    assert.equal(await outsider.say('kept', 'one'), 'one');
    apply(open({ endpoints: [endpoint('near')] }));
    assert.ok(((await tend()) ?? 0) > 0, 'a connection drains');
    assert.equal(await outsider.say('kept', 'two'), 'two');
    assert.match(await reach(), new RegExp(` ${here.near} 7000$`));
    // An agent that was killed and comes back finds a table of its name, and takes it over.
    ingress = new NftablesIngress(settings);
    apply(open({ endpoints: [endpoint('near')] }));
    assert.equal(await outsider.say('kept', 'three'), 'three');
    assert.match(await reach(), new RegExp(` ${here.near} 7000$`));
  });

  it('end established connections to a removed endpoint after the drain time, and no others', async () => {
    const outsider = await lab.agent('outsider');
    ingress = new NftablesIngress({ name: 'test', drainTime: 0 });
    apply(open({ endpoints: [endpoint('pod')] }), open({ port: 18080, endpoints: [endpoint('pod')] }));
    await outsider.hold('doomed', at.node[4], 13306);
    await outsider.hold('spared', at.node[4], 18080);
    // Not ready is not gone.
    apply(
      open({ endpoints: [endpoint('pod', 0), endpoint('near')] }),
      open({ port: 18080, endpoints: [endpoint('pod', 0), endpoint('near')] }),
    );
    assert.equal(await tend(), undefined);
    assert.equal(await outsider.say('doomed', 'one'), 'one');
    apply(
      open({ endpoints: [endpoint('near')] }),
      open({ port: 18080, endpoints: [endpoint('pod', 0), endpoint('near')] }),
    );
    assert.equal(await tend(), undefined);
    // The next endpoint knows nothing of the connection: the client hears at once.
    assert.equal(await outsider.say('doomed', 'two'), 'ECONNRESET');
    assert.equal(await outsider.say('spared', 'two'), 'two');
    ingress = new NftablesIngress(settings);
  });

  it('are reported as blocked if a foreign firewall drops connections to endpoints', async () => {
    const port = open({ endpoints: [endpoint('pod')] });
    apply(port);
    const look = async (): Promise<string | undefined> => {
      const listing = await throughoutInNamespace(lab.netns('node'), () => ingress.listForeignTables());
      return describeFirewall(readNftables(listing).tables, [port]);
    };
    assert.equal(await look(), undefined);
    await lab.run('node', 'nft', [
      'add table inet fire; add chain inet fire f { type filter hook forward priority 10; policy drop; }',
    ]);
    try {
      assert.equal(await reach(), 'timeout');
      assert.match(
        (await look()) ?? '',
        /^rules of another program drop .*table inet fire, chain f \(port 13306\/tcp\)/,
      );
      await lab.run('node', 'nft', [
        'add rule inet fire f ct state established,related accept; add rule inet fire f ct status dnat accept',
      ]);
      assert.match(await reach(), /7000$/);
      assert.equal(await look(), undefined);
    } finally {
      await lab.run('node', 'nft', ['delete table inet fire']);
    }
  });

  it('lose no datagrams when an endpoint is removed and when the first one is added', async () => {
    const udp = (endpoints: WeightedEndpoint[]): IngressPort => open({ protocol: 'udp', port: 15353, endpoints });
    const outsider = await lab.agent('outsider');
    const fixed = { from: '192.168.12.170', localPort: 46_000 };
    const ask = (): Promise<string> => outsider.reach('udp', at.node[4], 15353, { ...fixed, timeout: 700 });
    apply(udp([]));
    assert.equal(await ask(), 'ECONNREFUSED');
    await tend();
    apply(udp([endpoint('pod')]));
    await tend();
    assert.match(await ask(), new RegExp(` ${here.pod} 7000$`));
    apply(udp([endpoint('near')]));
    await tend();
    assert.match(await ask(), new RegExp(` ${here.near} 7000$`));
  });
});
