import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { type InspectDocument, inspectDocumentSchema } from '../../../src/egress/inspect/report-document.ts';
import { runErctlOn } from '../../lab/erctl.ts';
import { Lab } from '../../lab/lab.ts';
import { addresses as at } from '../../lab/names.ts';
import { pathFor, type Variant, variants } from '../../lab/plugin.ts';
import { until } from '../../until.ts';
import { configure } from '../egress/cni/configurations.ts';
import { type Damage, damages, iptablesDamages, ruleDamages, translations } from './erctl-damages.ts';

function damagesOf(variant: Variant): readonly Damage[] {
  if (variant === 'nftables') return [...damages, ...ruleDamages, ...translations];
  return [...ruleDamages, ...iptablesDamages, ...translations];
}

for (const variant of variants) {
  describe(`erctl inspect, rules by ${variant}`, function () {
    this.timeout(60_000);
    let lab: Lab;
    const config = configure([4]);
    before(async () => {
      lab = await Lab.up('erctli');
      await lab.serveOutside({ tcp: [80, 443], udp: [80] });
    });
    after(() => lab.down());
    beforeEach(async () => {
      const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=egress-1';
      const added = await lab.plugin('ADD', config, { variant, args });
      assert.equal(added.status, 0, added.stdout);
    });
    afterEach(async () => {
      await lab.plugin('DEL', config, { variant });
      await lab.run('pod', 'ip', ['link', 'delete', 'net1']).catch(() => {});
      await lab.ip('pod', 'route replace default via 10.128.10.1');
    });

    const inspect = async (...args: string[]): Promise<{ status: number; document: InspectDocument }> => {
      // With every program in reach, as on a node, but the variant's own names first.
      const { status, stdout, stderr } = await runErctlOn(
        lab,
        ['inspect', '--netns', lab.path('pod'), '-o', 'json', ...args],
        { environment: { PATH: `${pathFor(variant)}:${process.env.PATH}` } },
      );
      assert.ok(status < 2, stderr);
      return { status, document: inspectDocumentSchema.parse(JSON.parse(stdout)) };
    };

    it('finds no problem with a router as ADD left it, and counts its traffic', async () => {
      const far = await lab.agent('far');
      assert.equal(await far.hold('one', at.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
      assert.equal(await far.reach('udp', at.pod[4], 80), `${at.reserved[4]} ${at.datagrams[4]} 80`);
      const { status, document } = await inspect('--connect');
      assert.deepEqual(document.routers[0]?.problems, []);
      assert.equal(status, 0);
      const [router] = document.routers;
      assert.equal(router?.pod, 'shop/egress-1');
      assert.deepEqual(router.addresses[0]?.gateway.answer, 'answers');
      assert.deepEqual(
        router.redirects.map(({ port, protocol, installed, live }) => [port, protocol, installed, live.connections]),
        [
          [80, 'udp', true, 1],
          [8080, 'tcp', true, 1],
          [8443, 'tcp', true, 0],
        ],
      );
      assert.ok((router.redirects[1]?.live.bytes ?? 0) > 100);
      assert.equal(router.redirects[1]?.opened, variant === 'nftables' ? undefined : 1);
      assert.deepEqual(
        router.attempts.map(({ target, outcome }) => `${target} ${outcome}`),
        [`${at.web[4]}:80 connected`, `${at.secure[4]}:443 connected`],
      );
      await far.say('one', 'bye');
    });

    it('finds no problem with two routers in one pod and with foreign rules that let them pass', async () => {
      const second = configure([4], {
        addresses: ['192.168.12.98/24'],
        destinations: [`9090 TCP ${at.secure[4]} 443`],
      });
      const mesh = `table inet mesh {
        chain incoming { type filter hook prerouting priority -300; policy accept; tcp dport 15001 counter accept; }
        chain through { type filter hook forward priority 5; policy accept; ct state invalid drop; }
      }`;
      assert.equal((await lab.plugin('ADD', second, { variant, ifname: 'net2' })).status, 0);
      await lab.run('pod', 'nft', ['-f', '-'], mesh);
      try {
        const { status, document } = await inspect();
        assert.deepEqual(
          document.routers.map(({ interface: link, problems, notes }) => [link.name, problems, notes]),
          [
            ['net1', [], []],
            ['net2', [], []],
          ],
        );
        assert.equal(status, 0);
      } finally {
        await lab.run('pod', 'nft', ['delete', 'table', 'inet', 'mesh']);
        await lab.plugin('DEL', second, { variant, ifname: 'net2' });
      }
    });

    it('notes a rule that may change connections, and does not call the router healthy without it', async () => {
      const mesh = `table ip mesh { chain pre { type nat hook prerouting priority -101;
        tcp dport 8080 numgen random mod 2 0 redirect to :15006; }; }`;
      await lab.run('pod', 'nft', ['-f', '-'], mesh);
      try {
        const { status, document } = await inspect();
        const [router] = document.routers;
        assert.deepEqual([status, router?.problems, router?.uncertain], [0, [], true]);
        const note = /in the pod may change connections \(8080\/tcp\).*table ip mesh, chain pre, "redirect"/;
        assert.match(router?.notes.join('\n') ?? '', note);
        const target = ['--netns', lab.path('pod')];
        const environment = { PATH: `${pathFor(variant)}:${process.env.PATH}` };
        const shown = await runErctlOn(lab, ['inspect', ...target], { environment });
        assert.match(
          shown.stdout.replaceAll(/\s+/g, ' '),
          /Note: a rule of another program in the pod may change .*No problems found, but rules/,
        );
        assert.doesNotMatch(shown.stdout, /Healthy/);
        const traced = await runErctlOn(lab, ['trace', ...target, '--port', '8080'], { environment });
        assert.match(
          traced.stdout.replaceAll(/\s+/g, ' '),
          /Note: .* may change .*unless a rule of the notes changes it/,
        );
      } finally {
        await lab.run('pod', 'nft', ['delete', 'table', 'ip', 'mesh']);
      }
    });

    if (variant === 'iptables-legacy') {
      it('reports that it cannot compare rules of an iptables variant that is not in PATH', async () => {
        const { status, stdout } = await runErctlOn(lab, ['inspect', '--netns', lab.path('pod')]);
        assert.match(stdout, /^Note: rules were not compared: only iptables-legacy-save lists them/m);
        assert.equal(status, 0);
      });
    }

    if (variant === 'nftables') {
      it('sends nothing under the address of a suspended router', async () => {
        const captured = await lab.capture('outside', 'eth0', 'arp or src host 192.168.12.99');
        await inspect();
        // tcpdump prints after the probe was answered.
        await until(
          () => captured.seen > 0,
          () => 'no packet',
        );
        await lab.run('pod', 'tc', ['qdisc', 'replace', 'dev', 'net1', 'root', 'blackhole']);
        const before = captured.seen;
        const { document } = await inspect();
        assert.equal(document.routers[0]?.addresses[0]?.gateway.answer, 'answers');
        const lines = await captured.stop();
        const under = /Request who-has 192\.168\.12\.1 .*tell 192\.168\.12\.99/;
        assert.ok(lines.slice(0, before).some((line) => under.test(line)));
        const later = lines.slice(before);
        assert.ok(
          later.some((line) => /Request who-has 192\.168\.12\.1 .*tell 0\.0\.0\.0/.test(line)),
          later.join('\n'),
        );
        assert.deepEqual(
          later.filter((line) => under.test(line)),
          [],
        );
      });

      it('names a destination that lets clients wait, from their connections only', async () => {
        await lab.ip('outside', 'address delete 203.0.113.26/32 dev lo', 'route add blackhole 203.0.113.26/32');
        try {
          const far = await lab.agent('far');
          assert.equal(await far.reach('tcp', at.pod[4], 8080), 'timeout');
          for (;;) {
            const { document } = await inspect('--no-probe');
            const problems = document.routers.flatMap((router) => router.problems);
            // Until the connection has waited for long enough.
            if (problems.length === 0) continue;
            assert.deepEqual(
              problems.map(({ code }) => code),
              ['target-silent'],
            );
            assert.match(problems[0]?.what ?? '', /203\.0\.113\.26:80 answers no client: 1 connection is waiting/);
            break;
          }
        } finally {
          await lab.ip('outside', 'route delete blackhole 203.0.113.26/32', 'address add 203.0.113.26/32 dev lo');
        }
      });
    }

    for (const { name, damage, codes, says, cure, args = [], mend } of damagesOf(variant)) {
      it(`names ${name}`, async () => {
        await damage(lab, variant);
        try {
          const { status, document } = await inspect(...args);
          const problems = document.routers.flatMap((router) => router.problems);
          assert.deepEqual(
            problems.map(({ code }) => code).sort(),
            [...codes].sort(),
            JSON.stringify(problems, undefined, 1),
          );
          assert.equal(status, 1);
          assert.ok(
            problems.some(({ what }) => says.test(what)),
            problems.map(({ what }) => what).join('\n'),
          );
          assert.ok(
            problems.some((one) => cure.test(one.cure)),
            problems.map((one) => one.cure).join('\n'),
          );
        } finally {
          await mend?.(lab, variant);
        }
      });
    }
  });
}
