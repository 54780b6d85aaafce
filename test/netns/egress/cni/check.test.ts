import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { type PluginAnswer, type Variant, variants } from '../../../lab/plugin.ts';
import { configure } from './configurations.ts';

/** A manual change of a router, and how CHECK must report it. */
interface Damage {
  readonly name: string;
  readonly damage: (lab: Lab, variant: Variant) => Promise<unknown>;
  readonly says: RegExp;
}

const tableOf = ['inet', 'egress-router-net1'];

async function alterRules(lab: Lab, variant: Variant, nft: string[], iptables: string[]): Promise<void> {
  if (variant === 'nftables') await lab.run('pod', 'nft', nft);
  else await lab.run('pod', variant, iptables);
}

const damages: readonly Damage[] = [
  {
    name: 'a downed link',
    damage: (lab) => lab.ip('pod', 'link set net1 down'),
    says: /^interface net1 is down$/m,
  },
  {
    name: 'a deleted link',
    damage: (lab) => lab.ip('pod', 'link delete net1'),
    says: /^interface net1 is missing$/m,
  },
  {
    name: 'a link replaced by another kind',
    damage: (lab) => lab.ip('pod', 'link delete net1', 'link add net1 type veth peer name other'),
    says: /^interface net1 is a veth, not a macvlan$/m,
  },
  {
    name: 'a link replaced by another macvlan',
    damage: async (lab) => {
      await lab.ip('pod', 'link delete net1');
      await lab.ip('node', `link add link eth1 name net1 netns ${lab.netns('pod')} type macvlan mode bridge`);
    },
    says: /^interface net1 was replaced/m,
  },
  {
    name: 'another mode',
    damage: (lab) => lab.ip('pod', 'link set net1 type macvlan mode private'),
    says: /^interface net1 has mode private, not bridge$/m,
  },
  {
    name: 'another MTU',
    damage: (lab) => lab.ip('pod', 'link set net1 mtu 1400'),
    says: /^interface net1 has MTU 1400, not 1500$/m,
  },
  {
    name: 'a lost address',
    damage: (lab) => lab.ip('pod', 'address delete 192.168.12.99/24 dev net1'),
    says: /^address 192\.168\.12\.99\/24 is missing on net1$/m,
  },
  {
    name: 'a missing route to the gateway',
    damage: (lab) => lab.ip('pod', 'route delete 192.168.12.1 dev net1'),
    says: /^route is missing: 192\.168\.12\.1\/32 dev net1$/m,
  },
  {
    name: 'a missing default route',
    damage: (lab) => lab.ip('pod', 'route delete default'),
    says: /^route is missing: default via 192\.168\.12\.1 dev net1$/m,
  },
  {
    name: 'the old default route',
    damage: (lab) => lab.ip('pod', 'route replace default via 10.128.10.1'),
    says: /^old default route is back: default via 10\.128\.10\.1 dev eth0$/m,
  },
  {
    name: 'a missing route of a private table',
    damage: (lab) => lab.ip('pod', 'route delete default table 5301'),
    says: /^route is missing: default via 10\.128\.10\.1 dev eth0 table 5301$/m,
  },
  {
    name: 'a lost policy rule',
    damage: (lab) => lab.ip('pod', 'rule delete pref 5301'),
    says: /^policy rule is missing: 5301: from all fwmark 0x1000000\/0x1f000000 lookup 5301$/m,
  },
  {
    name: 'forwarding off',
    damage: (lab) => lab.run('pod', 'sysctl', ['-qw', 'net.ipv4.ip_forward=0']),
    says: /^net\/ipv4\/ip_forward is 0, not 1$/m,
  },
  {
    name: 'IPv6 on the link',
    damage: (lab) => lab.run('pod', 'sysctl', ['-qw', 'net.ipv6.conf.net1.disable_ipv6=0']),
    says: /^net\/ipv6\/conf\/net1\/disable_ipv6 is 0, not 1$/m,
  },
  {
    name: 'a missing guard',
    damage: (lab) => lab.run('pod', 'nft', ['delete', 'table', 'netdev', 'egress-router-net1']),
    says: /^rules of table netdev egress-router-net1 are missing or were changed$/m,
  },
  {
    name: 'a hole in the guard',
    damage: (lab) => lab.run('pod', 'nft', ['insert rule netdev egress-router-net1 guard accept']),
    says: /^rules of table netdev egress-router-net1 are missing or were changed$/m,
  },
  {
    name: 'a missing guard against ARP',
    damage: (lab) => lab.run('pod', 'nft', ['flush', 'table', 'arp', 'egress-router-net1']),
    says: /^rules of table arp egress-router-net1 are missing or were changed$/m,
  },
  {
    name: 'a missing rule',
    damage: (lab, variant) =>
      alterRules(lab, variant, ['flush', 'chain', ...tableOf, 'nat-postrouting'], ['-t', 'nat', '-F', 'ER-net1-POST']),
    says: /^rule is missing: .*192\.168\.12\.99/m,
  },
  {
    name: 'a missing redirect',
    damage: (lab, variant) =>
      alterRules(
        lab,
        variant,
        ['delete', 'element', ...tableOf, 'tcp4', '{', '8443', ':', '203.0.113.27', '.', '443', '}'],
        ['-t', 'nat', '-D', 'ER-net1-T', '2'],
      ),
    says: /^rule is missing: .*8443.*203\.0\.113\.27/m,
  },
  {
    name: 'a changed rule',
    damage: (lab, variant) =>
      alterRules(
        lab,
        variant,
        ['add', 'rule', ...tableOf, 'filter-forward', 'accept'],
        ['-t', 'filter', '-I', 'ER-net1-FORWARD', '1', '-j', 'ACCEPT'],
      ),
    says: /^unexpected rule: .*accept/im,
  },
  {
    name: 'a door taken off its hinges',
    damage: (lab, variant) =>
      alterRules(
        lab,
        variant,
        ['delete', 'chain', ...tableOf, 'filter-forward'],
        ['-t', 'filter', '-D', 'FORWARD', '1'],
      ),
    says: /^rule is missing: .*(FORWARD|filter-forward)/m,
  },
];

for (const variant of variants) {
  describe(`CHECK, rules by ${variant}`, () => {
    let lab: Lab;
    let result: PluginAnswer | undefined;
    const config = configure([4]);
    before(async () => {
      lab = await Lab.up('ercheck');
    });
    after(() => lab.down());
    beforeEach(async () => {
      const added = await lab.plugin('ADD', config, { variant });
      assert.equal(added.status, 0, added.stdout);
      result = added.json;
    });
    afterEach(async () => {
      // What a damage left in the way of the next router.
      await lab.plugin('DEL', config, { variant });
      await lab.run('pod', 'ip', ['link', 'delete', 'net1']).catch(() => {});
      await lab.ip('pod', 'route replace default via 10.128.10.1');
    });

    const check = (prevResult: unknown): ReturnType<Lab['plugin']> =>
      lab.plugin('CHECK', { ...config, prevResult }, { variant });

    it('finds no difference in a router as ADD left it, regardless of the format of its default route', async () => {
      const { status, stdout } = await check(result);
      assert.equal(status, 0, stdout);
      assert.equal(stdout, '');
      // Multus deletes the default and sets it again itself.
      await lab.ip('pod', 'route delete default', 'route add default via 192.168.12.1 dev net1 metric 7');
      assert.equal((await check(result)).status, 0);
    });

    for (const { name, damage, says } of damages) {
      it(`names ${name}`, async () => {
        await damage(lab, variant);
        const { status, json } = await check(result);
        assert.equal(status, 1);
        assert.equal(json?.code, 104);
        assert.match(json?.details ?? '', says);
      });
    }

    it('rejects an unknown container', async () => {
      const { status, json } = await lab.plugin(
        'CHECK',
        { ...config, prevResult: result },
        { variant, containerId: 'ercheck-x' },
      );
      assert.equal(status, 1);
      assert.equal(json?.code, 3);
    });

    it('requires the result of ADD', async () => {
      const { status, json } = await lab.plugin('CHECK', config, { variant });
      assert.equal(status, 1);
      assert.equal(json?.code, 7);
      assert.match(json?.msg ?? '', /prevResult/);
    });
  });
}
