import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { variants } from '../../../lab/plugin.ts';
import { configure } from './configurations.ts';

for (const variant of variants) {
  describe(`use by Multus, rules by ${variant}`, () => {
    let lab: Lab;
    beforeEach(async () => {
      lab = await Lab.up('ermultus');
      await lab.serveOutside({ tcp: [80, 443, 9000], udp: [80] });
    });
    afterEach(() => lab.down());

    const call = (command: string, config: unknown, more = {}): ReturnType<Lab['plugin']> =>
      lab.plugin(command, config, { variant, ...more });
    const reach = async (client: 'near' | 'far', port: number, options = {}): Promise<string> =>
      (await lab.agent(client)).reach('tcp', at.pod[4], port, options);
    const web = `${at.reserved[4]} ${at.web[4]} 80`;

    it('works with the remaining routes if the old default route was removed before ADD', async () => {
      await lab.ip('pod', 'route delete default', 'route add 10.128.0.0/14 via 10.128.10.1');
      const before = await lab.describe('pod');
      const { status, stdout } = await call('ADD', configure([4]));
      assert.equal(status, 0, stdout);
      assert.equal(await reach('near', 8080), web);
      assert.equal(await reach('far', 8080), web);
      assert.equal((await call('DEL', configure([4]))).status, 0);
      assert.equal(await lab.describe('pod'), before);
    });

    it('keeps working if all default routes of net1 are deleted and the gateway is added again', async () => {
      assert.equal((await call('ADD', configure([4, 6]))).status, 0);
      await lab.ip('pod', 'route delete default dev net1');
      await lab.run('pod', 'ip', ['-6', 'route', 'delete', 'default', 'dev', 'net1']);
      await lab.ip('pod', `route add default via ${at.gateway[4]}`, `route add default via ${at.gateway[6]}`);
      assert.equal(await reach('far', 8080), web);
      assert.equal((await call('DEL', configure([4, 6]))).status, 0);
      assert.match(await lab.run('pod', 'ip', ['route']), /default via 10\.128\.10\.1 dev eth0/);
    });

    it('keeps working without leaks if all default routes are deleted and none is added', async () => {
      assert.equal((await call('ADD', configure([4]))).status, 0);
      await lab.ip('pod', 'route delete default dev net1');
      assert.equal(await reach('far', 8080), web);
    });

    it('separates two attachments in one namespace, whichever is deleted first', async () => {
      const first = configure([4], { destinations: [`8080 TCP ${at.web[4]} 80`] });
      const second = configure([4], {
        addresses: ['192.168.12.98/24'],
        gateway: at.gateway[4],
        destinations: [`8443 TCP ${at.secure[4]} 443`],
      });
      const before = await lab.describe('pod');
      const secondCall = { ifname: 'net2' };
      for (const firstGoesFirst of [true, false]) {
        const added = [await call('ADD', first), await call('ADD', second, secondCall)];
        for (const { status, stdout } of added) assert.equal(status, 0, stdout);
        for (const client of ['near', 'far'] as const) {
          assert.equal(await reach(client, 8080), web);
          assert.equal(await reach(client, 8443), `192.168.12.98 ${at.secure[4]} 443`);
          assert.equal(await reach(client, 9000), 'ECONNREFUSED');
        }
        const checks = [
          await call('CHECK', { ...first, prevResult: added[0]?.json }),
          await call('CHECK', { ...second, prevResult: added[1]?.json }, secondCall),
        ];
        for (const { status, stdout } of checks) assert.equal(status, 0, stdout);
        const [one, other] = firstGoesFirst ? [{}, secondCall] : [secondCall, {}];
        assert.equal((await call('DEL', firstGoesFirst ? first : second, one)).status, 0);
        const remaining = firstGoesFirst ? 8443 : 8080;
        const expected = firstGoesFirst ? `192.168.12.98 ${at.secure[4]} 443` : web;
        assert.equal(await reach('far', remaining), expected);
        assert.equal((await call('DEL', firstGoesFirst ? second : first, other)).status, 0);
        assert.equal(await lab.describe('pod'), before);
      }
    });

    it('handles leftovers of a missing DEL', async () => {
      const before = await lab.describe('pod');
      assert.equal((await call('ADD', configure([4]))).status, 0);
      const again = await call('ADD', configure([4], { destinations: [`8080 TCP ${at.secure[4]} 443`] }), {
        containerId: 'ermultus-other',
      });
      assert.equal(again.status, 0, again.stdout);
      assert.equal(await reach('far', 8080), `${at.reserved[4]} ${at.secure[4]} 443`);
      // The late DEL of the first must not take the second away.
      assert.equal((await call('DEL', configure([4]))).status, 0);
      assert.equal(await reach('far', 8080), `${at.reserved[4]} ${at.secure[4]} 443`);
      assert.equal((await call('DEL', configure([4]), { containerId: 'ermultus-other' })).status, 0);
      assert.equal(await lab.describe('pod'), before);
    });

    it('handles leftovers without a state file', async () => {
      assert.equal((await call('ADD', configure([4]))).status, 0);
      rmSync('/run/egress-router/ermultus-container@net1.json');
      const again = await call('ADD', configure([4]), { containerId: 'ermultus-other' });
      assert.equal(again.status, 0, again.stdout);
      assert.equal(await reach('far', 8080), web);
      assert.equal((await call('DEL', configure([4]), { containerId: 'ermultus-other' })).status, 0);
      assert.match(await lab.run('pod', 'ip', ['route']), /default via 10\.128\.10\.1 dev eth0/);
    });

    it('rejects an existing attachment without changing it', async () => {
      assert.equal((await call('ADD', configure([4]))).status, 0);
      const again = await call('ADD', configure([4]));
      assert.equal(again.status, 1);
      assert.equal(again.json?.code, 103);
      assert.equal(await reach('far', 8080), web);
    });

    for (const { way, config, args } of [
      { way: 'runtimeConfig', config: { runtimeConfig: { mac: '02:AA:bb:00:00:01' } }, args: undefined },
      { way: 'CNI_ARGS', config: {}, args: 'IgnoreUnknown=1;MAC=02:aa:bb:00:00:01;K8S_POD_NAME=x' },
      { way: 'cni-args', config: { args: { cni: { mac: '02:aa:bb:00:00:01' } } }, args: undefined },
    ]) {
      it(`applies a hardware address given by ${way}`, async () => {
        const { status, json, stdout } = await call(
          'ADD',
          configure([4], {}, config),
          args === undefined ? {} : { args },
        );
        assert.equal(status, 0, stdout);
        assert.equal(json?.interfaces?.[0]?.mac, '02:aa:bb:00:00:01');
        assert.match(await lab.run('pod', 'ip', ['link', 'show', 'net1']), /link\/ether 02:aa:bb:00:00:01/);
      });
    }

    it('removes attachments unknown to the runtime with GC, of its own network only', async () => {
      const before = await lab.describe('pod');
      assert.equal((await call('ADD', configure([4]))).status, 0);
      const kept = [{ containerID: 'ermultus-container', ifname: 'net1' }];
      const collect = (name: string, valid: unknown): ReturnType<Lab['plugin']> =>
        call('GC', { ...configure([4]), name, 'cni.dev/valid-attachments': valid });
      assert.equal((await collect('erlab-net', kept)).status, 0);
      assert.equal((await collect('another-net', [])).status, 0);
      assert.equal(await reach('far', 8080), web);
      assert.equal((await collect('erlab-net', [])).status, 0);
      assert.equal(await lab.describe('pod'), before);
    });
  });
}
