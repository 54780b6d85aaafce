import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { variants } from '../../../lab/plugin.ts';
import { configure, exampleDestinations } from './configurations.ts';

for (const variant of variants) {
  describe(`redirects by ${variant} with a strict reverse path filter in the pod`, () => {
    let lab: Lab;
    before(async () => {
      lab = await Lab.up('erredir', { strictReversePath: true });
      await lab.serveOutside({ tcp: [80, 443, 8080, 9000], udp: [80, 9000] });
    });
    after(() => lab.down());
    afterEach(async () => {
      const { status } = await lab.plugin('DEL', configure([4]), { variant });
      assert.equal(status, 0);
    });

    async function add(config: unknown): Promise<void> {
      const { status, stdout } = await lab.plugin('ADD', config, { variant });
      assert.equal(status, 0, stdout);
    }

    async function reach(
      client: 'near' | 'far',
      protocol: 'tcp' | 'udp',
      port: number,
      family: 4 | 6 = 4,
    ): Promise<string> {
      return (await lab.agent(client)).reach(protocol, at.pod[family], port);
    }

    for (const family of [4, 6] as const) {
      it(`apply the three rules of the example to IPv${family} for clients of both subnets`, async () => {
        await add(configure([family]));
        for (const client of ['near', 'far'] as const) {
          assert.equal(await reach(client, 'tcp', 8080, family), `${at.reserved[family]} ${at.web[family]} 80`);
          assert.equal(await reach(client, 'tcp', 8443, family), `${at.reserved[family]} ${at.secure[family]} 443`);
          assert.equal(await reach(client, 'udp', 80, family), `${at.reserved[family]} ${at.datagrams[family]} 80`);
        }
      });
    }

    it('support both families at once', async () => {
      await add(configure([4, 6]));
      for (const family of [4, 6] as const) {
        assert.equal(await reach('far', 'tcp', 8080, family), `${at.reserved[family]} ${at.web[family]} 80`);
      }
    });

    it('send ports without a rule to the fallback, next to the rules', async () => {
      await add(configure([4], { fallbackIP: at.fallback[4] }));
      assert.equal(await reach('far', 'tcp', 8080), `${at.reserved[4]} ${at.web[4]} 80`);
      assert.equal(await reach('far', 'tcp', 9000), `${at.reserved[4]} ${at.fallback[4]} 9000`);
      assert.equal(await reach('far', 'udp', 9000), `${at.reserved[4]} ${at.fallback[4]} 9000`);
    });

    it('send everything to the fallback if there is no rule', async () => {
      await add(configure([4], { destinations: [], fallbackIP: at.fallback[4] }));
      assert.equal(await reach('near', 'tcp', 80), `${at.reserved[4]} ${at.fallback[4]} 80`);
    });

    it('accept a bare address as the fallback', async () => {
      await add(configure([4], { destinations: [at.fallback[4]] }));
      assert.equal(await reach('far', 'tcp', 9000), `${at.reserved[4]} ${at.fallback[4]} 9000`);
    });

    it('accept masks, lower case, tabs and comments', async () => {
      await add(configure([4], { destinations: [`8080\ttcp ${at.web[4]}/30  80 # the web`, '', '# nothing'] }));
      assert.equal(await reach('far', 'tcp', 8080), `${at.reserved[4]} ${at.web[4]} 80`);
    });

    it('accept an EgressRouter object instead', async () => {
      const egressRouter = {
        kind: 'EgressRouter',
        spec: {
          networkInterface: { macvlan: { mode: 'Bridge' } },
          addresses: [{ ip: `${at.reserved[4]}/24`, gateway: at.gateway[4] }],
          mode: 'Redirect',
          redirect: {
            redirectRules: [{ destinationIP: at.web[4], port: 8080, targetPort: 80, protocol: 'TCP' }],
            fallbackIP: at.fallback[4],
          },
        },
      };
      await add({ cniVersion: '1.0.0', name: 'cr', type: 'egress-router', egressRouter });
      assert.equal(await reach('far', 'tcp', 8080), `${at.reserved[4]} ${at.web[4]} 80`);
      assert.equal(await reach('far', 'tcp', 9000), `${at.reserved[4]} ${at.fallback[4]} 9000`);
    });

    it("accept the exact output of OpenShift's operator", async () => {
      await add({
        cniVersion: '0.4.0',
        type: 'egress-router',
        name: 'egress-router-cni-nad',
        ip: {
          addresses: [`${at.reserved[4]}/24`],
          destinations: exampleDestinations(4),
          fallbackIP: at.fallback[4],
          gateway: at.gateway[4],
        },
        log_level: 'debug',
      });
      assert.equal(await reach('far', 'tcp', 8443), `${at.reserved[4]} ${at.secure[4]} 443`);
      assert.equal(await reach('far', 'tcp', 9000), `${at.reserved[4]} ${at.fallback[4]} 9000`);
    });

    it("leave the pod's own traffic the reserved address, and its path to the cluster and the node", async () => {
      await add(configure([4], {}, { clusterNetworks: ['10.128.0.0/14'] }));
      const pod = await lab.agent('pod');
      assert.equal(await pod.reach('tcp', at.web[4], 80), `${at.reserved[4]} ${at.web[4]} 80`);
      await (await lab.agent('far')).serve('tcp', at.far[4], 7000).catch(() => {});
      assert.equal(await pod.reach('tcp', at.far[4], 7000), `${at.pod[4]} ${at.far[4]} 7000`);
      await (await lab.agent('node')).serve('tcp', at.node[4], 7001).catch(() => {});
      assert.equal(await pod.reach('tcp', at.node[4], 7001), `${at.pod[4]} ${at.node[4]} 7001`);
    });

    it("let clients of any subnet reach the pod's own listeners", async () => {
      await add(configure([4]));
      await (await lab.agent('pod')).serve('tcp', at.pod[4], 7002).catch(() => {});
      assert.equal(await reach('far', 'tcp', 7002), `${at.far[4]} ${at.pod[4]} 7002`);
      // The node's address is on the physical network: the reply must not leave by net1.
      const node = await lab.agent('node');
      assert.equal(await node.reach('tcp', at.pod[4], 7002, { from: at.node[4] }), `${at.node[4]} ${at.pod[4]} 7002`);
    });
  });
}
