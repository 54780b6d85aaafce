import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { addNamespaces, dropNamespaces, runIp } from '../../../lab/namespaces.ts';
import { variants } from '../../../lab/plugin.ts';
import { configure } from './configurations.ts';

for (const variant of variants) {
  describe(`load, by ${variant}`, () => {
    let lab: Lab;
    const pods = Array.from({ length: 20 }, (_, index) => `ermany-${index}`);
    before(async () => {
      lab = await Lab.up('ermany');
      await lab.serveOutside({ tcp: [80], udp: [80] });
      dropNamespaces(pods);
      await addNamespaces(pods);
      for (const [index, pod] of pods.entries()) {
        await lab.ip(
          'node',
          `link add many${index} type veth peer name eth0 netns ${pod}`,
          `link set many${index} master cni0 up`,
        );
        const commands = [
          `address add 10.128.11.${index + 1}/23 dev eth0`,
          'link set eth0 up',
          'route add default via 10.128.10.1',
        ];
        await runIp(pod, commands);
      }
    });
    after(() => {
      dropNamespaces(pods);
      lab.down();
    });

    it('adds and deletes twenty attachments at once without interference', async function () {
      this.timeout(60_000);
      const call = (command: string): Promise<{ status: number; stdout: string }[]> =>
        Promise.all(
          pods.map((pod, index) =>
            lab.plugin(
              command,
              configure([4], { addresses: [`192.168.12.${100 + index}/24`], gateway: at.gateway[4] }),
              { variant, podNetns: `/var/run/netns/${pod}`, containerId: pod },
            ),
          ),
        );
      for (const { status, stdout } of await call('ADD')) assert.equal(status, 0, stdout);
      const far = await lab.agent('far');
      for (const index of pods.keys()) {
        const seen = await far.reach('tcp', `10.128.11.${index + 1}`, 8080);
        assert.equal(seen, `192.168.12.${100 + index} ${at.web[4]} 80`);
      }
      // Half go, half stay; then all go, some for the second time.
      await Promise.all(
        pods
          .slice(0, 10)
          .map((pod) =>
            lab.plugin('DEL', configure([4]), { variant, podNetns: `/var/run/netns/${pod}`, containerId: pod }),
          ),
      );
      assert.equal(await far.reach('tcp', '10.128.11.20', 8080), `192.168.12.119 ${at.web[4]} 80`);
      for (const { status, stdout } of await call('DEL')) assert.equal(status, 0, stdout);
    });

    it('serves ten thousand rules, including the first and the last', async function () {
      this.timeout(60_000);
      const destinations = Array.from({ length: 10_000 }, (_, index) => `${10_000 + index} TCP ${at.web[4]} 80`);
      const config = configure([4], { destinations });
      const { status, stdout } = await lab.plugin('ADD', config, { variant });
      assert.equal(status, 0, stdout);
      const far = await lab.agent('far');
      for (const port of [10_000, 14_999, 19_999]) {
        assert.equal(await far.reach('tcp', at.pod[4], port), `${at.reserved[4]} ${at.web[4]} 80`);
      }
      assert.equal(await far.reach('tcp', at.pod[4], 20_000), 'ECONNREFUSED');
      const check = await lab.plugin('CHECK', { ...config, prevResult: JSON.parse(stdout) }, { variant });
      assert.equal(check.status, 0, check.stdout);
      assert.equal((await lab.plugin('DEL', config, { variant })).status, 0);
    });
  });
}
