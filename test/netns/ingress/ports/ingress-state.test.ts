import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { parsePrefix } from '../../../../src/base/model/address.ts';
import { NftablesIngress } from '../../../../src/ingress/ports/linux/nftables-ingress.ts';
import type { IngressPort, WeightedEndpoint } from '../../../../src/ingress/ports/model.ts';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { address } from '../../../unit/base/rules/examples.ts';
import { inNamespace, throughoutInNamespace } from '../../base/linux/wire.ts';

type Host = 'pod' | 'near' | 'far';

function endpoint(host: Host, weight = 1, family: 4 | 6 = 4): WeightedEndpoint {
  return { address: address(at[host][family]), port: 7000, weight, local: host !== 'far' };
}

function open(port: Partial<IngressPort> & Pick<IngressPort, 'endpoints'>): IngressPort {
  return { protocol: 'tcp', port: 13306, balance: 'roundrobin', limits: {}, ...port };
}

const prefixOf = (text: string) => [parsePrefix(text)].filter((one) => one !== undefined);
const settings = { name: 'test', drainTime: 0 };

describe('state and neighbors of an ingress node', () => {
  let lab: Lab;
  let ingress: NftablesIngress;
  let other: NftablesIngress;
  before(async () => {
    lab = await Lab.up('eringst');
    for (const host of ['pod', 'near', 'far'] as const) {
      const agent = await lab.agent(host);
      for (const family of [4, 6] as const) await agent.serve('tcp', at[host][family], 7000);
    }
    await lab.ip('outsider', 'route delete 10.128.0.0/14', `route add default via ${at.node[4]}`);
    await lab.ip('outsider', 'address add 192.168.12.150/24 dev eth0', 'address add 192.168.12.151/24 dev eth0');
    ingress = new NftablesIngress(settings);
    other = new NftablesIngress({ ...settings, name: 'other' });
  });
  after(() => lab.down());
  afterEach(() => {
    onNode(() => ingress.remove());
    onNode(() => other.remove());
  });

  function onNode<T>(run: () => T): T {
    return inNamespace(lab.netns('node'), run);
  }
  const apply = (...ports: IngressPort[]): void => onNode(() => ingress.apply({ name: 'test', ports }));
  const reach = async (port = 13306, from: string = at.outsider[4]): Promise<string> =>
    (await lab.agent('outsider')).reach('tcp', at.node[4], port, { from, timeout: 700 });

  it('two agents of a node do not affect each other’s connections and endpoints, nor those with a foreign mark', async () => {
    apply(open({ endpoints: [endpoint('pod')] }));
    onNode(() => other.apply({ name: 'other', ports: [open({ port: 18080, endpoints: [endpoint('near')] })] }));
    await lab.run('node', 'nft', [
      `add table ip foreign; add chain ip foreign pre { type nat hook prerouting priority -101; }; add rule ip foreign pre tcp dport 19090 ct mark set 0x20000000 dnat to ${at.near[4]}:7000`,
    ]);
    try {
      const outsider = await lab.agent('outsider');
      await outsider.hold('mine', at.node[4], 13306);
      await outsider.hold('theirs', at.node[4], 18080);
      await outsider.hold('foreign', at.node[4], 19090);
      await onNode(() => ingress.cleanUp());
      await onNode(() => other.cleanUp());
      for (const name of ['mine', 'theirs', 'foreign']) assert.equal(await outsider.say(name, 'on'), 'on', name);
      assert.equal(await reach(18080), `${at.outsider[4]} ${at.near[4]} 7000`);
      assert.equal(await reach(13306), `${at.outsider[4]} ${at.pod[4]} 7000`);
      assert.equal(await reach(19090), `${at.outsider[4]} ${at.near[4]} 7000`);
    } finally {
      await lab.run('node', 'nft', ['delete table ip foreign']);
    }
  });

  it('roundrobin takes turns for each Route separately', async () => {
    const all = [endpoint('pod'), endpoint('near'), endpoint('far')];
    apply(open({ endpoints: all }), open({ port: 18080, endpoints: all }));
    for (const port of [13306, 18080]) {
      const counts = new Map<string, number>();
      for (let number = 0; number < 30; number++) {
        // Connections to the other Route in between must not change whose turn it is here.
        if (number % 2 === 0) await reach(port === 13306 ? 18080 : 13306);
        const reply = (await reach(port)).split(' ')[1] ?? 'nobody';
        counts.set(reply, (counts.get(reply) ?? 0) + 1);
      }
      assert.deepEqual([...counts.values()], [10, 10, 10]);
    }
  });

  it('pods reach another pod on their bridge although its frames bypass the rules, in both families', async () => {
    apply(open({ endpoints: [endpoint('pod'), endpoint('pod', 1, 6)] }));
    const near = await lab.agent('near');
    assert.match(await near.reach('tcp', at.node[4], 13306, { timeout: 700 }), new RegExp(` ${at.pod[4]} 7000$`));
    assert.match(await near.reach('tcp', at.node[6], 13306, { timeout: 700 }), / 7000$/);
  });

  it('limits persist across a restart of the agent and a replaced table', async () => {
    const limited = open({ endpoints: [endpoint('pod')], limits: { concurrent: 3 } });
    const hasty = open({ port: 18080, endpoints: [endpoint('pod')], limits: { rate: 5 } });
    apply(limited, hasty);
    const outsider = await lab.agent('outsider');
    const from = '192.168.12.150';
    for (const name of ['l1', 'l2']) assert.match(await outsider.hold(name, at.node[4], 13306, { from }), / 7000$/);
    assert.equal(await outsider.hold('l3', at.node[4], 13306, { from }), 'ECONNREFUSED');
    for (let number = 0; number < 5; number++) await reach(18080, from);
    ingress = new NftablesIngress(settings);
    apply({ ...limited }, { ...hasty });
    assert.equal(await outsider.hold('l4', at.node[4], 13306, { from }), 'ECONNREFUSED');
    assert.equal(await reach(18080, from), 'ECONNREFUSED');
    // A Route that goes takes nothing from the others.
    apply({ ...limited });
    assert.equal(await outsider.hold('l5', at.node[4], 13306, { from }), 'ECONNREFUSED');
    assert.match(await outsider.hold('l6', at.node[4], 13306, { from: '192.168.12.151' }), / 7000$/);
    // Another value of a limit is another count.
    apply(open({ endpoints: [endpoint('pod')], limits: { concurrent: 50 } }));
    assert.match(await outsider.hold('l7', at.node[4], 13306, { from }), / 7000$/);
  });

  it('rules expire if no agent renews them for ten minutes, except rules of a starting agent', async () => {
    const limited = open({ endpoints: [endpoint('pod')], limits: { rate: 100 } });
    apply(limited);
    const outsider = await lab.agent('outsider');
    assert.match(await outsider.hold('kept', at.node[4], 13306), / 7000$/);
    const left = async (): Promise<readonly number[]> => {
      const listed = await lab.run('node', 'nft', ['list', 'ruleset']);
      return Array.from(
        listed.matchAll(/new timeout (\d+m) expires (?:(\d+)m)?(?:(\d+)s)?/g),
        ([, all, m = 0, s = 0]) => {
          assert.equal(all, '10m');
          return 60 * Number(m) + Number(s);
        },
      );
    };
    const age = (table: string) =>
      lab.run('node', 'nft', [
        `flush set inet ${table} alive; add element inet ${table} alive { new timeout 10m expires 5s }`,
      ]);
    const tables = ['ingress-agent-test-a', 'ingress-agent-test-state'];
    // An agent with applied rules, then one that waits for its first complete list.
    for (const agent of [ingress, new NftablesIngress(settings)]) {
      for (const table of tables) await age(table);
      assert.ok((await left()).every((seconds) => seconds <= 5));
      onNode(() => agent.renew());
      assert.deepEqual(
        (await left()).map((seconds) => seconds > 590),
        [true, true],
      );
    }
    for (const table of tables) await lab.run('node', 'nft', [`flush set inet ${table} alive`]);
    assert.equal(await reach(), 'ECONNREFUSED');
    assert.equal(await outsider.say('kept', 'still here'), 'still here');
    // Expired rules may lead to other pods by now.
    onNode(() => new NftablesIngress(settings).renew());
    assert.equal(await reach(), 'ECONNREFUSED');
    ingress = new NftablesIngress(settings);
    apply(limited);
    assert.match(await reach(), / 7000$/);
    await lab.run('node', 'nft', ['flush', 'ruleset']);
    assert.throws(() => onNode(() => ingress.renew()), /No such file/);
    apply(limited);
    assert.match(await reach(), / 7000$/);
  });

  it('Routes with the same endpoints share one map, and all keep working when those change', async () => {
    const share = (endpoints: WeightedEndpoint[]) =>
      [13306, 18080, 18081, 18082, 18083].map((port) => open({ port, endpoints, balance: 'source' }));
    apply(...share([endpoint('pod'), endpoint('near')]));
    const listed = await lab.run('node', 'nft', ['list', 'ruleset']);
    assert.match(listed, /map tcp4-shared-1 \{/);
    assert.equal(listed.match(/goto tcp4-shared-1-source-64/g)?.length, 5);
    const seen = new Set<string>();
    for (const port of [13306, 18080, 18083]) seen.add(await reach(port));
    assert.equal(seen.size, 1, 'a client finds one endpoint by whichever Route');
    apply(...share([endpoint('near'), endpoint('far')]));
    for (const port of [13306, 18081, 18083]) assert.match(await reach(port), / 10\.128\.\d+\.\d+ 7000$/);
    assert.doesNotMatch(await lab.run('node', 'nft', ['list', 'ruleset']), new RegExp(`${at.pod[4]} \\. 7000`));
    apply(...share([]));
    assert.equal(await reach(18083), 'ECONNREFUSED');
  });

  it('very many ports are loaded in steps, with other work in between, and can be changed then', async () => {
    const many = Array.from({ length: 1500 }, (_, index) => {
      const others = Array.from({ length: 9 }, (_, place) => ({
        ...endpoint('far'),
        address: address(`10.${200 + place}.${index >> 8}.${index & 255}`),
        weight: 0,
      }));
      // Weights that differ need the most slots.
      const endpoints = [endpoint('pod', 250), ...others.map((one, place) => ({ ...one, weight: place + 1 }))];
      return open({ port: 20_000 + index, endpoints, balance: 'source' });
    });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await throughoutInNamespace(lab.netns('node'), () =>
      ingress.load({ name: 'test', ports: [...many, open({ endpoints: [endpoint('pod')] })] }),
    );
    clearInterval(timer);
    assert.ok(turns > 3, `${turns} turns of others`);
    assert.match(await reach(), / 7000$/);
    apply(...many.slice(0, 10), open({ endpoints: [endpoint('near')] }));
    assert.equal(await reach(), `${at.outsider[4]} ${at.near[4]} 7000`);
  }).timeout(20_000);

  it('a long allow-list applies like a short one, for each Route that has it', async () => {
    const many = Array.from({ length: 500 }, (_, index) => prefixOf(`10.${index >> 6}.${index & 63}.0/24`)).flat();
    const allowed = [...many, ...prefixOf('10.0.0.0/22'), ...prefixOf('192.168.12.150/32')];
    const ports = [13306, 18080].map((port) => open({ port, endpoints: [endpoint('pod')], allowed }));
    apply(...ports);
    for (const port of [13306, 18080]) {
      assert.match(await reach(port, '192.168.12.150'), / 7000$/);
      assert.equal(await reach(port, '192.168.12.151'), 'timeout');
    }
    apply(...ports.map((port) => ({ ...port, allowed: [...many, ...prefixOf('192.168.12.151/32')] })));
    await onNode(() => ingress.cleanUp());
    assert.equal(await reach(18080, '192.168.12.150'), 'timeout');
    assert.match(await reach(18080, '192.168.12.151'), / 7000$/);
    const sets = (await lab.run('node', 'nft', ['list', 'ruleset'])).match(/set list4-/g);
    assert.equal(sets?.length, 1, 'the previous one is gone');
  });

  it('allow-lists apply to processes of the node itself', async () => {
    apply(
      open({ endpoints: [endpoint('pod')], allowed: prefixOf('192.168.12.150/32') }),
      open({ port: 18080, endpoints: [endpoint('pod')], allowed: prefixOf(`${at.node[4]}/32`) }),
    );
    const node = await lab.agent('node');
    assert.doesNotMatch(await node.reach('tcp', at.node[4], 13306, { timeout: 400 }), /7000/);
    assert.match(await node.reach('tcp', at.node[4], 18080, { timeout: 400 }), / 7000$/);
    assert.match(await reach(13306, '192.168.12.150'), / 7000$/);
  });

  it('clients that are removed from a list lose their connections only with strict lists', async () => {
    const outsider = await lab.agent('outsider');
    const listed = (...texts: string[]) => open({ endpoints: [endpoint('pod')], allowed: texts.flatMap(prefixOf) });
    const both = listed('192.168.12.150/32', '192.168.12.151/32');
    for (const isStrict of [false, true]) {
      ingress = new NftablesIngress({ ...settings, isStrict });
      apply(both);
      await outsider.hold(`out-${isStrict}`, at.node[4], 13306, { from: '192.168.12.150' });
      await outsider.hold(`in-${isStrict}`, at.node[4], 13306, { from: '192.168.12.151' });
      apply(listed('192.168.12.151/32'));
      await onNode(() => ingress.cleanUp());
      assert.equal(await outsider.say(`in-${isStrict}`, 'on'), 'on');
      const outcome = await outsider.say(`out-${isStrict}`, 'on');
      if (isStrict) assert.notEqual(outcome, 'on');
      else assert.equal(outcome, 'on');
    }
    ingress = new NftablesIngress(settings);
  });

  it('counts traffic and rejections of a port by reason, even across agents', async () => {
    const look = async (key: string) =>
      (await throughoutInNamespace(lab.netns('node'), () => ingress.readTraffic())).get(key);
    const closed = open({ port: 18081, endpoints: [] });
    const listed = open({ port: 18080, endpoints: [endpoint('pod')], allowed: [] });
    // A port of its own: what another test has cut off tries again.
    const counted = open({ port: 18082, endpoints: [endpoint('pod')], limits: { rate: 3 } });
    apply(counted, listed, closed);
    for (let number = 0; number < 4; number++) await reach(18082);
    await reach(18080);
    await reach(18081);
    const seen = await look('tcp 18082');
    assert.deepEqual([seen?.connections, seen?.refusedByLimit], [2, 2]);
    assert.ok((seen?.received ?? 0) > 100 && (seen?.sent ?? 0) > 100, JSON.stringify(seen));
    assert.ok(((await look('tcp 18080'))?.refusedByList ?? 0) >= 1);
    assert.equal((await look('tcp 18081'))?.unserved, 1);
    ingress = new NftablesIngress(settings);
    apply({ ...counted });
    assert.equal((await look('tcp 18082'))?.connections, 2);
  });
});
