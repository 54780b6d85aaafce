import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { after, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { pluginCommand } from '../../../lab/plugin.ts';
import { PrivateContainerd } from './containerd.ts';

const plugins = '/usr/lib/cni';

describe('a container of containerd after the bridge plugin', () => {
  let lab: Lab;
  let containerd: PrivateContainerd;
  before(async function () {
    this.timeout(60_000);
    lab = await Lab.up('erct');
    await lab.serveOutside({ tcp: [80], udp: [80] });
    const [executable] = pluginCommand();
    containerd = await PrivateContainerd.start(
      lab,
      new Map([
        ['bridge', `${plugins}/bridge`],
        ['static', `${plugins}/static`],
        ['egress-router', executable],
      ]),
      {
        cniVersion: '0.4.0',
        name: 'erct-net',
        plugins: [
          {
            type: 'bridge',
            bridge: 'cni0',
            ipam: {
              type: 'static',
              addresses: [{ address: '10.128.10.77/23', gateway: '10.128.10.1' }],
              routes: [{ dst: '0.0.0.0/0' }],
            },
          },
          {
            type: 'egress-router',
            ip: {
              addresses: [`${at.reserved[4]}/24`],
              gateway: at.gateway[4],
              destinations: [`8080 TCP ${at.web[4]} 80`],
            },
          },
        ],
      },
    );
  });
  after(async function () {
    this.timeout(30_000);
    await containerd?.stop();
    lab?.down();
  });

  const remembered = (): string[] =>
    existsSync('/run/egress-router')
      ? readdirSync('/run/egress-router').filter((name) => name.includes('erct-box'))
      : [];

  it('redirects connections from the reserved address, and is removed without a trace', async function () {
    this.timeout(60_000);
    await containerd.run('erct-box');
    assert.equal(remembered().length, 1);
    for (const client of ['near', 'far'] as const) {
      const agent = await lab.agent(client);
      assert.equal(await agent.reach('tcp', '10.128.10.77', 8080), `${at.reserved[4]} ${at.web[4]} 80`);
      assert.equal(await agent.reach('tcp', '10.128.10.77', 8081), 'ECONNREFUSED');
    }
    assert.match(await containerd.exec('erct-box', 'ip', 'route'), /^default via 192\.168\.12\.1 dev net1/m);
    await containerd.remove('erct-box');
    assert.deepEqual(remembered(), []);
  });
});
