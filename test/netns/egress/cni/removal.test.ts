import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { variants } from '../../../lab/plugin.ts';
import { configure } from './configurations.ts';

const states = '/run/egress-router';

for (const variant of variants) {
  describe(`DEL, rules by ${variant}`, () => {
    let lab: Lab;
    beforeEach(async () => {
      lab = await Lab.up('erdel', { strictReversePath: true });
    });
    afterEach(() => lab.down());

    const run = (command: string): ReturnType<Lab['plugin']> => lab.plugin(command, configure([4, 6]), { variant });
    const stateFiles = (): string[] => readdirSync(states).filter((name) => name.startsWith('erdel-'));

    async function succeed(command: string): Promise<void> {
      const { status, stdout } = await run(command);
      assert.equal(status, 0, stdout);
    }

    it('restores the namespace, including rules of other programs, and can be repeated', async () => {
      await lab.run(
        'pod',
        'nft',
        ['-f', '-'],
        'table inet other {\n chain input {\n type filter hook input priority 5;\n tcp dport 22 drop\n }\n}\n',
      );
      await lab.run('pod', 'iptables-nft', [
        '-t',
        'nat',
        '-A',
        'PREROUTING',
        '-p',
        'tcp',
        '--dport',
        '1',
        '-j',
        'REDIRECT',
      ]);
      await lab.ip('pod', 'rule add fwmark 0x1 lookup 100 pref 900', 'route add 172.16.0.0/12 via 10.128.10.1');
      const untouched = await lab.describe('pod');
      await succeed('ADD');
      assert.notEqual(await lab.describe('pod'), untouched);
      await succeed('DEL');
      assert.equal(await lab.describe('pod'), untouched);
      await succeed('DEL');
      assert.equal(await lab.describe('pod'), untouched);
      assert.deepEqual(stateFiles(), []);
    });

    it('succeeds if nothing was ever added', async () => {
      const untouched = await lab.describe('pod');
      await succeed('DEL');
      assert.equal(await lab.describe('pod'), untouched);
    });

    it('succeeds without the namespace, with a dangling path and without any', async () => {
      await succeed('ADD');
      const nowhere = await lab.plugin('DEL', configure([4, 6]), { variant, podNetns: '/var/run/netns/erdel-gone' });
      assert.equal(nowhere.status, 0, nowhere.stdout);
      assert.deepEqual(stateFiles(), []);
      await lab.plugin('ADD', configure([4, 6]), { variant });
      const without = await lab.plugin('DEL', configure([4, 6]), { variant, podNetns: '' });
      assert.equal(without.status, 0, without.stdout);
    });

    it('finds the namespace in its state file if CNI_NETNS is empty', async () => {
      const untouched = await lab.describe('pod');
      await succeed('ADD');
      const { status, stdout } = await lab.plugin('DEL', configure([4, 6]), { variant, podNetns: '' });
      assert.equal(status, 0, stdout);
      assert.equal(await lab.describe('pod'), untouched);
    });

    it('restores the old default route even if the state file is lost', async () => {
      const routes = await lab.run('pod', 'ip', ['route']);
      await succeed('ADD');
      for (const name of stateFiles()) rmSync(`${states}/${name}`);
      await succeed('DEL');
      assert.equal(await lab.run('pod', 'ip', ['route']), routes);
      assert.doesNotMatch(await lab.describe('pod'), /ER-net1|egress-router-net1|net1@|fwmark 0x/);
    });

    it('succeeds after the link or half of the rules were deleted', async () => {
      const untouched = await lab.describe('pod');
      await succeed('ADD');
      await lab.ip('pod', 'link delete net1');
      if (variant === 'nftables')
        await lab.run('pod', 'nft', ['delete', 'chain', 'inet', 'egress-router-net1', 'nat-postrouting']);
      else await lab.run('pod', variant, ['-t', 'nat', '-F', 'ER-net1-PRE']);
      await succeed('DEL');
      assert.equal(await lab.describe('pod'), untouched);
    });

    it('never touches a foreign link of the same name', async () => {
      await lab.ip('pod', 'link add net1 type veth peer name net1p');
      const untouched = await lab.describe('pod');
      await succeed('DEL');
      assert.equal(await lab.describe('pod'), untouched);
      const { status, json } = await run('ADD');
      assert.equal(status, 1);
      assert.match(json?.msg ?? '', /CNI_IFNAME "net1": the pod already has an interface of this name/);
      assert.equal(await lab.describe('pod'), untouched);
    });

    it('keeps state files readable by root only', async () => {
      await succeed('ADD');
      assert.ok(existsSync(states));
      const { execaSync } = await import('execa');
      assert.equal(execaSync('stat', ['-c', '%a', `${states}/${stateFiles()[0]}`]).stdout, '600');
    });
  });
}
