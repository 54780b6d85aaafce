import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { type PluginCall, pluginCommand } from '../../../lab/plugin.ts';
import { configure } from './configurations.ts';

/** A configuration that cannot be carried out, and how the error must begin. */
interface Failure {
  readonly name: string;
  readonly config: Record<string, unknown>;
  readonly call?: Partial<PluginCall>;
  readonly code: number;
  readonly says: RegExp;
}

const failures: readonly Failure[] = [
  {
    name: 'a master that the node does not have',
    config: configure([4], {}, { interfaceArgs: { master: 'eth7' } }),
    code: 7,
    says: /interfaceArgs\.master "eth7": the node has no such interface; it has /,
  },
  {
    name: 'an MTU larger than the master’s',
    config: configure([4], {}, { interfaceArgs: { master: 'eth1', mtu: '9000' } }),
    code: 7,
    says: /interfaceArgs\.mtu "9000": must be at most 1500, the MTU of master eth1/,
  },
  {
    name: "the node's own address",
    config: configure([4], { addresses: [`${at.node[4]}/24`] }),
    code: 7,
    says: /ip\.addresses "192\.168\.12\.5": belongs to the node itself on master eth1/,
  },
  {
    name: 'the node as gateway',
    config: configure([4], { gateway: at.node[4] }),
    code: 7,
    says: /ip\.gateway "192\.168\.12\.5": belongs to the node itself/,
  },
  {
    name: 'a gateway that cannot be derived',
    config: configure(
      [4],
      { addresses: ['192.168.77.9/24'], gateway: undefined },
      { interfaceArgs: { master: 'eth1' } },
    ),
    code: 7,
    says: /ip\.gateway: is not set, and master eth1 has no default gateway in 192\.168\.77\.9\/24/,
  },
  {
    name: 'a gateway outside of the network',
    config: configure([4], { gateway: '192.168.13.1' }),
    code: 7,
    says: /ip\.gateway "192\.168\.13\.1": /,
  },
  {
    name: 'a namespace that does not exist',
    config: configure([4]),
    call: { podNetns: '/var/run/netns/erfail-nowhere' },
    code: 4,
    says: /Cannot open the network namespace \/var\/run\/netns\/erfail-nowhere: ENOENT/,
  },
  {
    name: "the node's own namespace",
    config: configure([4]),
    call: { podNetns: '/var/run/netns/erfail-node' },
    code: 4,
    says: /is the node's own network namespace/,
  },
  {
    name: 'a file that is no namespace',
    config: configure([4]),
    call: { podNetns: '/etc/hostname' },
    code: 101,
    says: /Cannot enter the network namespace \/etc\/hostname: .*EINVAL/,
  },
  {
    name: 'no program that installs rules',
    config: configure([4]),
    call: { environment: { PATH: '/nonexistent' } },
    code: 102,
    says: /Cannot install rules: neither iptables-restore nor nft is in PATH/,
  },
  {
    name: 'a backend that is not installed',
    config: configure([4], {}, { ruleBackend: 'iptables' }),
    call: { variant: 'nftables' },
    code: 102,
    says: /Cannot install rules: iptables-restore is in PATH|Cannot install rules: iptables-restore/,
  },
  {
    name: 'an unknown CNI version',
    config: { ...configure([4]), cniVersion: '0.2.0' },
    code: 1,
    says: /Incompatible CNI version/,
  },
];

describe('an ADD that cannot succeed', () => {
  let lab: Lab;
  let folder: string;
  before(async () => {
    lab = await Lab.up('erfail');
    folder = mkdtempSync(join(tmpdir(), 'erfail-'));
  });
  after(() => {
    lab.down();
    rmSync('/var/log/egress-router/erfail', { force: true });
    rmSync(folder, { recursive: true, force: true });
  });

  for (const { name, config, call, code, says } of failures) {
    it(`names ${name}, and restores the previous state`, async () => {
      const untouched = await lab.describe('pod');
      const log = '/var/log/egress-router/erfail';
      rmSync(log, { force: true });
      const { status, json, stdout } = await lab.plugin('ADD', { ...config, log_file: log }, call);
      assert.notEqual(status, 0);
      assert.equal(json?.code, code, stdout);
      assert.match(json?.msg ?? '', says);
      assert.match(readFileSync(log, 'utf8'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[error\] /m);
      assert.equal(await lab.describe('pod'), untouched);
    });
  }

  it('names a master that is down', async () => {
    await lab.ip('node', 'link set eth1 down');
    const { status, json } = await lab.plugin('ADD', configure([4], {}, { interfaceArgs: { master: 'eth1' } }));
    await lab.ip('node', 'link set eth1 up', `route add default via ${at.gateway[4]}`);
    assert.equal(status, 1);
    assert.match(json?.msg ?? '', /interfaceArgs\.master "eth1": the interface is down; set it up with/);
  });

  it('passes on the message of a failing program, and undoes the previous steps', async () => {
    const programs = join(folder, 'programs');
    mkdirSync(programs);
    writeFileSync(join(programs, 'iptables-restore'), '#!/bin/sh\necho "line 3 failed: no such match" >&2\nexit 2\n', {
      mode: 0o755,
    });
    for (const name of ['iptables-save', 'ip6tables-save', 'ip6tables-restore'])
      symlinkSync('/bin/true', join(programs, name));
    const untouched = await lab.describe('pod');
    const { status, json } = await lab.plugin('ADD', configure([4]), { environment: { PATH: programs } });
    assert.equal(status, 1);
    assert.equal(json?.msg, 'iptables-restore --noflush -w 10 failed with status 2: line 3 failed: no such match');
    assert.equal(await lab.describe('pod'), untouched);
  });

  it('reports that a passthru link occupies the master', async () => {
    await lab.ip('node', 'link add holder link eth1 type macvlan mode passthru');
    const { status, json } = await lab.plugin('ADD', configure([4]));
    await lab.ip('node', 'link delete holder');
    assert.equal(status, 1);
    assert.match(
      json?.msg ?? '',
      /Cannot create macvlan net1 .*EINVAL.*: a macvlan in mode passthru uses the whole of eth1/,
    );
    assert.equal(json?.code, 101);
  });

  it('names what keeps a master from carrying a macvlan, and does not ask to try again', async () => {
    const refusals: readonly (readonly [
      setUp: string[],
      tearDown: string[],
      config: Readonly<Record<string, unknown>>,
      says: RegExp,
    ])[] = [
      [
        ['link add ebr0 type bridge', 'link set eth1 master ebr0'],
        ['link delete ebr0'],
        { interfaceArgs: { master: 'eth1' } },
        /the master eth1 is enslaved to bridge ebr0; set the master to ebr0/,
      ],
      [
        ['link add holder link eth1 type macvlan mode bridge'],
        ['link delete holder'],
        { interfaceArgs: { master: 'eth1', mode: 'passthru' } },
        /passthru cannot coexist with other macvlans on eth1/,
      ],
      [
        [
          'link add edum0 type veth peer name edum1',
          'link set edum1 up',
          'link set edum0 address 02:00:00:00:00:aa up',
        ],
        ['link delete edum0'],
        {
          interfaceArgs: { master: 'edum0' },
          runtimeConfig: { mac: '02:00:00:00:00:aa' },
          capabilities: { mac: true },
        },
        /the MAC address 02:00:00:00:00:aa is that of edum0 itself/,
      ],
    ];
    for (const [setUp, tearDown, config, says] of refusals) {
      const untouched = await lab.describe('pod');
      await lab.ip('node', ...setUp);
      try {
        const { status, json } = await lab.plugin('ADD', configure([4], {}, config));
        assert.equal(status, 1, `${says}`);
        assert.match(json?.msg ?? '', says);
        assert.equal(json?.code, 101);
        assert.equal(await lab.describe('pod'), untouched);
      } finally {
        await lab.ip('node', ...tearDown);
      }
    }
  });

  for (const { what, mount, says } of [
    {
      what: 'the folder of states cannot be written',
      mount: ['mkdir -p /run/egress-router', 'mount -t tmpfs -o ro,mode=0700 none /run/egress-router'],
      says: /Cannot lock the network namespace .*EROFS/,
    },
    {
      what: 'settings cannot be written',
      mount: ['mount -o bind,ro /proc/sys /proc/sys'],
      says: /Cannot set net\/ipv\d\/\S+ to \d: .*EROFS/,
    },
  ]) {
    it(`fails when ${what}, and restores the previous state`, async () => {
      const untouched = await lab.describe('pod');
      const script = `${mount.join(' && ')} && exec ${pluginCommand().join(' ')}`;
      const { execa } = await import('execa');
      const { exitCode, stdout } = await execa(
        'ip',
        ['netns', 'exec', lab.netns('node'), 'unshare', '--mount', '--propagation', 'private', 'sh', '-c', script],
        {
          input: JSON.stringify(configure([4])),
          reject: false,
          env: { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'erfail-1', CNI_NETNS: lab.path('pod'), CNI_IFNAME: 'net1' },
        },
      );
      assert.equal(exitCode, 1);
      assert.match((JSON.parse(stdout) as { msg: string }).msg, says);
      assert.equal(await lab.describe('pod'), untouched);
    });
  }

  it('reports with STATUS that ADD could not succeed, and nothing if it could', async () => {
    const config = configure([4], {}, { interfaceArgs: { master: 'eth1' } });
    assert.equal((await lab.plugin('STATUS', config)).status, 0);
    const without = await lab.plugin('STATUS', config, { environment: { PATH: '/nonexistent' } });
    assert.equal(without.json?.code, 50);
    const absent = await lab.plugin('STATUS', configure([4], {}, { interfaceArgs: { master: 'eth7' } }));
    assert.equal(absent.json?.code, 50);
    assert.match(absent.json?.msg ?? '', /"eth7": the node has no such interface/);
  });
});
