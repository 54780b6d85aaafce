import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { after, before, describe, it } from 'mocha';
import { KernelError } from '../../../../src/base/linux/kernel-error.ts';
import { identifyNamespace } from '../../../../src/base/linux/namespace.ts';
import { type ChangeOutcome, type ChangeParts, changeAttachment } from '../../../../src/egress/cni/change.ts';
import type { Kernel } from '../../../../src/egress/linux/kernel-api.ts';
import { openLogSink } from '../../../../src/egress/linux/log/log-sink.ts';
import { openLinuxKernel } from '../../../../src/egress/linux/parts.ts';
import { FileStateStore } from '../../../../src/egress/linux/state/state-store.ts';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { pathFor, variants } from '../../../lab/plugin.ts';
import { inNamespace } from '../../base/linux/wire.ts';
import { configure } from './configurations.ts';

const log = '/var/log/egress-router/erchange';

for (const variant of variants) {
  describe(`a change of a running router, rules by ${variant}`, function () {
    this.timeout(60_000);
    let lab: Lab;
    const store = new FileStateStore();
    const parts: ChangeParts = {
      store,
      openKernel: (path, backend) => openLinuxKernel(path, backend, store),
      identifyNamespace,
      openLog: openLogSink,
    };
    const id = { containerId: 'erchange-container', ifname: 'net1' };
    const path = process.env.PATH;
    const many = Array.from({ length: 10_000 }, (_, index) => `${10_000 + index} TCP ${at.web[4]} 80`);
    const other = [`9001 UDP ${at.web[4]} 80`, `9002 TCP ${at.web[6]} 80`];
    const config = (destinations: readonly string[], more: object = {}): Record<string, unknown> =>
      configure([4, 6], { destinations, ...more }, { log_file: log });
    const change = (wanted: unknown, with_: ChangeParts = parts): ChangeOutcome => {
      process.env.PATH = pathFor(variant);
      try {
        return inNamespace(lab.netns('node'), () => changeAttachment(with_, id, wanted));
      } finally {
        process.env.PATH = path;
      }
    };
    const check = async (wanted: object): Promise<void> => {
      const { status, stdout } = await lab.plugin('CHECK', { ...wanted, prevResult: result }, { variant });
      assert.equal(status, 0, stdout);
    };
    let result: unknown;
    /** Without what rules have counted. */
    const describePod = async (): Promise<string> =>
      (await lab.describe('pod')).replaceAll(/\[\d+:\d+\]/g, '').replaceAll('state UNKNOWN', 'state UP');

    before(async () => {
      rmSync(log, { force: true });
      lab = await Lab.up('erchange');
      await lab.serveOutside({ tcp: [80, 443], udp: [80] });
      const added = await lab.plugin('ADD', config([...many, ...other]), { variant });
      assert.equal(added.status, 0, added.stdout);
      result = JSON.parse(added.stdout);
    });
    after(() => {
      lab.down();
      rmSync(log, { force: true });
    });

    it('does not affect connections over other redirects, ends those over the changed one, and is recorded', async () => {
      const far = await lab.agent('far');
      const reserved = at.reserved[4];
      assert.equal(await far.hold('stays', at.pod[4], 10_001), `${reserved} ${at.web[4]} 80`);
      assert.equal(await far.hold('goes', at.pod[4], 15_000), `${reserved} ${at.web[4]} 80`);
      await far.hammer('tcp', 'tcp', at.pod[4], 19_999, { timeout: 1000 });
      await far.hammer('udp', 'udp', at.pod[4], 9001, { timeout: 1000 });
      await far.hammer('tcp6', 'tcp', at.pod[6], 9002, { timeout: 1000 });
      const changed = many.map((line) => (line.startsWith('15000 ') ? `15000 TCP ${at.secure[4]} 443` : line));
      const wanted = config([...changed, ...other]);
      const outcome = change(wanted);
      assert.equal(outcome.kind, 'changed');
      assert.equal(outcome.kind === 'changed' && outcome.added.redirects.length, 1);
      assert.equal(await far.say('stays', 'still there'), 'still there');
      assert.notEqual(await far.say('goes', 'still there'), 'still there');
      assert.equal(await far.reach('tcp', at.pod[4], 15_000), `${reserved} ${at.secure[4]} 443`);
      for (const [name, expected] of [
        ['tcp', `${reserved} ${at.web[4]} 80`],
        ['udp', `${reserved} ${at.web[4]} 80`],
        ['tcp6', `${at.reserved[6]} ${at.web[6]} 80`],
      ] as const) {
        const report = await far.stopHammer(name);
        assert.deepEqual(Object.keys(report), [expected], JSON.stringify(report));
      }
      await check(wanted);
      assert.equal(change(wanted).kind, 'unchanged');
      const word = variant === 'nftables' ? 'nftables' : 'iptables';
      const lines = readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => !line.includes('Called CNI') && line !== '')
        .slice(-3);
      assert.match(lines[0] ?? '', /\[debug\] Changing the redirects/);
      assert.match(lines[1] ?? '', new RegExp(`\\[debug\\] Removed ${word} rule: .*15000 .*203\\.0\\.113\\.26:80$`));
      assert.match(lines[2] ?? '', new RegExp(`\\[debug\\] Added ${word} rule: .*15000 .*203\\.0\\.113\\.27:443$`));
    });

    it('removes and adds ports, with or without a fallback', async () => {
      const far = await lab.agent('far');
      assert.equal(change(config([`8080 TCP ${at.web[4]} 80`], { fallbackIP: at.fallback[4] })).kind, 'changed');
      assert.equal(await far.hold('fallback', at.pod[4], 443), `${at.reserved[4]} ${at.fallback[4]} 443`);
      assert.equal(await far.hold('redirect', at.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
      const wanted = config([`8080 TCP ${at.web[4]} 80`, `8081 TCP ${at.web[4]} 80`]);
      assert.equal(change(wanted).kind, 'changed');
      assert.notEqual(await far.say('fallback', 'x'), 'x');
      assert.equal(await far.say('redirect', 'x'), 'x');
      assert.equal(await far.reach('tcp', at.pod[4], 443), 'ECONNREFUSED');
      assert.equal(await far.reach('tcp', at.pod[4], 8081), `${at.reserved[4]} ${at.web[4]} 80`);
      await check(wanted);
    });

    const replacing: { name: string; wanted: () => Record<string, unknown>; says: RegExp }[] = [
      {
        name: 'the address',
        wanted: () => config([], { addresses: ['192.168.12.98/24', `${at.reserved[6]}/64`] }),
        says: /^ip\.addresses is/,
      },
      {
        name: 'the gateway',
        wanted: () => config([], { gateway: ['192.168.12.2', at.gateway[6]] }),
        says: /^ip\.gateway is/,
      },
      {
        name: 'the master',
        wanted: () => ({ ...config([]), interfaceArgs: { master: 'cni0' } }),
        says: /Args\.master is/,
      },
      {
        name: 'the mode',
        wanted: () => ({ ...config([]), interfaceArgs: { mode: 'vepa' } }),
        says: /Args\.mode is "bridge"/,
      },
      { name: 'the MTU', wanted: () => ({ ...config([]), interfaceArgs: { mtu: 1400 } }), says: /Args\.mtu is "1500"/ },
      {
        name: 'cluster networks',
        wanted: () => ({ ...config([]), clusterNetworks: ['10.0.0.0/8'] }),
        says: /^clusterNetworks is/,
      },
    ];
    for (const { name, wanted, says } of replacing) {
      it(`is rejected if ${name} would change, because the pod must be replaced`, async () => {
        const untouched = await describePod();
        const outcome = change(wanted());
        assert.equal(outcome.kind, 'needs-replacement');
        assert.match(outcome.kind === 'needs-replacement' ? (outcome.reasons[0] ?? '') : '', says);
        assert.equal(await describePod(), untouched);
      });
    }

    it('is rejected if it is invalid or the attachment does not exist', async () => {
      assert.equal(change(config(['80 TCP nowhere'])).kind, 'invalid');
      assert.equal(
        inNamespace(lab.netns('node'), () => changeAttachment(parts, { ...id, ifname: 'net9' }, config([]))).kind,
        'gone',
      );
    });

    /** Parts whose kernel refuses its n-th operation, and all after it where the process is killed. */
    const disturbed = (step: number, killed: boolean): ChangeParts => ({
      ...parts,
      openKernel: (netns, backend) => {
        const kernel = openLinuxKernel(netns, backend, store);
        let count = 0;
        return new Proxy(kernel, {
          get: (target, key) => {
            const value: unknown = Reflect.get(target, key, target);
            if (key !== 'apply') return typeof value === 'function' ? value.bind(target) : value;
            return (...args: Parameters<Kernel['apply']>) => {
              count++;
              if (count === step || (killed && count > step)) throw new KernelError('refused', 'fault of the test');
              return target.apply(...args);
            };
          },
        });
      },
    });
    const one = [`8080 TCP ${at.web[4]} 80`, `8081 TCP ${at.web[4]} 80`];
    const two = [`8080 TCP ${at.secure[4]} 443`, `8082 TCP ${at.web[6]} 80`];
    const steps = 5;

    it('is undone completely if a step fails', async () => {
      change(config(one));
      const untouched = await describePod();
      for (let step = 1; step <= steps; step++) {
        assert.throws(() => change(config(two), disturbed(step, false)), /fault of the test/, `step ${step}`);
        assert.equal(await describePod(), untouched, `step ${step}`);
        assert.equal(store.find(id)?.pending, undefined, `step ${step}`);
        await check(config(one));
      }
      assert.equal(change(config(two)).kind, 'changed');
    });

    it('is completed or replaced by the call after one that was killed at any step', async () => {
      const three = [`8083 TCP ${at.web[4]} 80`];
      for (let step = 1; step <= steps; step++) {
        for (const following of [two, one, three]) {
          change(config(one));
          assert.throws(() => change(config(two), disturbed(step, true)), /fault of the test/);
          const { kind } = change(config(following));
          assert.ok(kind === 'changed' || (kind === 'unchanged' && step === 1), `step ${step}: ${kind}`);
          await check(config(following));
          assert.equal(store.find(id)?.pending, undefined);
        }
      }
    });

    it('leaves an attachment that DEL removes, even when killed at any step', async () => {
      change(config(one));
      assert.throws(() => change(config(two), disturbed(2, true)));
      const removed = await lab.plugin('DEL', config(two), { variant });
      assert.equal(removed.status, 0, removed.stdout);
      assert.doesNotMatch(await describePod(), /net1|ER-|fwmark 0x/);
    });
  });
}
