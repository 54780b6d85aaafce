import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { variants } from '../../../lab/plugin.ts';
import { configure } from './configurations.ts';

const silence = { timeout: 500 };

for (const variant of variants) {
  for (const podForwards of [false, true]) {
    describe(`closed router ports by ${variant}, in a pod that ${podForwards ? 'forwarded before' : 'did not forward'}`, () => {
      let lab: Lab;
      before(async () => {
        lab = await Lab.up('erdoor', { podForwards });
        await lab.serveOutside({ tcp: [80, 9000], udp: [80, 9000] });
        const listeners = [
          { host: 'pod', own: at.pod },
          { host: 'near', own: at.near },
        ] as const;
        for (const { host, own } of listeners) {
          const agent = await lab.agent(host);
          for (const family of [4, 6] as const) {
            await agent.serve('tcp', own[family], 7000);
            await agent.serve('udp', own[family], 7000);
          }
        }
        const { status, stdout } = await lab.plugin('ADD', configure([4, 6]), { variant });
        assert.equal(status, 0, stdout);
      });
      after(() => lab.down());

      for (const family of [4, 6] as const) {
        it(`rejects ports without a rule at once, IPv${family}`, async () => {
          for (const client of ['near', 'far'] as const) {
            const agent = await lab.agent(client);
            assert.equal(await agent.reach('tcp', at.pod[family], 9000), 'ECONNREFUSED');
            assert.equal(await agent.reach('udp', at.pod[family], 9000), 'ECONNREFUSED');
          }
        });

        it(`rejects clients that route other traffic through the pod, IPv${family}`, async () => {
          const whole = family === 4 ? 32 : 128;
          await lab.ip('near', `route add ${at.web[family]}/${whole} via ${at.pod[family]}`);
          const near = await lab.agent('near');
          // Also at a port that has a redirect: that one is for the pod's own address.
          for (const port of [80, 8080]) assert.equal(await near.reach('tcp', at.web[family], port), 'ECONNREFUSED');
          assert.equal(await near.reach('udp', at.web[family], 80), 'ECONNREFUSED');
        });

        it(`accepts no new connection from outside, neither to the pod nor to the cluster, IPv${family}`, async () => {
          const outsider = await lab.agent('outsider');
          const whole = family === 4 ? 32 : 128;
          await lab.ip('outsider', `route replace ${at.pod[family]}/${whole} via ${at.reserved[family]}`);
          const doors: [string, number][] = [
            [at.reserved[family], 7000],
            [at.reserved[family], 8080],
            [at.pod[family], 7000],
            [at.pod[family], 8080],
            [at.near[family], 7000],
          ];
          const tried = await Promise.all(
            doors.flatMap(([host, port]) => [
              outsider.reach('tcp', host, port, silence),
              outsider.reach('udp', host, port, silence),
            ]),
          );
          assert.deepEqual(new Set(tried), new Set(['timeout']));
          // The listeners are there, and the outsider's way to them is open but for the router.
          assert.match(await (await lab.agent('far')).reach('tcp', at.near[family], 7000), /7000$/);
        });
      }
    });
  }
}

describe('closed router ports of a router with only IPv4', () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.up('erdoor4');
    assert.equal((await lab.plugin('ADD', configure([4]))).status, 0);
  });
  after(() => lab.down());

  it('has no IPv6 on the physical network', async () => {
    assert.doesNotMatch(await lab.run('pod', 'ip', ['address', 'show', 'dev', 'net1']), /inet6/);
  });

  it('accepts no route advertisements', async () => {
    assert.doesNotMatch(await lab.run('pod', 'ip', ['-6', 'route']), /net1/);
  });
});
