import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { pathFor, pluginCommand, variants } from '../../../lab/plugin.ts';
import { until } from '../../../until.ts';
import { configure } from './configurations.ts';

/** Children of a process, by `/proc`. */
function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return [];
  }
}

function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('hostile tenants', () => {
  let lab: Lab;
  let holder: ChildProcess | undefined;
  beforeEach(async () => {
    rmSync('/run/egress-router/locks', { recursive: true, force: true });
    lab = await Lab.up('erhost');
  });
  afterEach(() => {
    holder?.kill('SIGKILL');
    holder = undefined;
    lab.down();
  });

  /** Holds a lock on a file as a process in a namespace would. */
  async function holdLock(file: string, netns: string): Promise<void> {
    const child = spawn('ip', ['netns', 'exec', netns, 'flock', file, 'sh', '-c', 'echo locked; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    holder = child;
    await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
  }

  it("cannot prevent a pod's termination with a lock on its namespace", async () => {
    const untouched = await lab.describe('pod');
    assert.equal((await lab.plugin('ADD', configure([4]))).status, 0);
    await holdLock('/proc/self/ns/net', lab.netns('pod'));
    const began = performance.now();
    const { status, stdout } = await lab.plugin('DEL', configure([4]));
    assert.equal(status, 0, stdout);
    assert.ok(performance.now() - began < 5000);
    assert.equal(await lab.describe('pod'), untouched);
  });

  it('find the locks in a folder that only root can access, without leftovers', async () => {
    assert.equal((await lab.plugin('ADD', configure([4]))).status, 0);
    assert.equal(statSync('/run/egress-router/locks').mode & 0o777, 0o700);
    // What a killed call left of a namespace that is gone.
    const abandoned = '/run/egress-router/locks/net-1';
    writeFileSync(abandoned, '');
    utimesSync(abandoned, new Date(0), new Date(0));
    assert.equal((await lab.plugin('DEL', configure([4]))).status, 0);
    assert.deepEqual(readdirSync('/run/egress-router/locks'), []);
  });

  it('cannot make the plugin allocate a gigabyte of memory with its input', async () => {
    const [program, ...args] = pluginCommand();
    const call = execa('/usr/bin/time', ['-f', '%M', program, ...args], {
      env: { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'erhost-1', CNI_NETNS: lab.path('pod'), CNI_IFNAME: 'net1' },
      reject: false,
      input: ' '.repeat(200 * 1024 * 1024),
    });
    const { stdout, stderr } = await call;
    const error = JSON.parse(stdout) as { code: number; msg: string };
    assert.equal(error.code, 6);
    assert.match(error.msg, /^Cannot read the network configuration: standard input exceeds 16777216 bytes/);
    const peakKibibytes = Number(stderr.trim().split('\n').at(-1));
    assert.ok(peakKibibytes > 0 && peakKibibytes < 150 * 1024, stderr);
  });

  /** An ADD that waits for the lock of iptables, with the rule program that it started. */
  async function beginWaitingAdd(): Promise<{ plugin: ChildProcess; child: number }> {
    await holdLock('/run/xtables.lock', lab.netns('node'));
    const [program, ...args] = pluginCommand();
    const plugin = spawn('ip', ['netns', 'exec', lab.netns('node'), program, ...args], {
      env: {
        PATH: `${pathFor('iptables-legacy')}:/sbin:/usr/sbin`,
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: 'erhost-container',
        CNI_NETNS: lab.path('pod'),
        CNI_IFNAME: 'net1',
      },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    plugin.stdin.end(JSON.stringify(configure([4])));
    const pid = plugin.pid ?? 0;
    // A child is the plugin itself until it executes the rule program.
    const findProgram = (): number | undefined =>
      childrenOf(pid).find((child) => ![undefined, nameOf(pid)].includes(nameOf(child)));
    await until(
      () => findProgram() !== undefined,
      () => 'a rule program is started',
    );
    return { plugin, child: findProgram() ?? 0 };
  }

  it('cannot make a killed plugin leave a program that installs rules', async () => {
    const untouched = await lab.describe('pod');
    const { plugin, child } = await beginWaitingAdd();
    process.kill(plugin.pid ?? 0, 'SIGKILL');
    await until(
      () => !isAlive(child),
      () => 'the rule program ends with its caller',
    );
    holder?.kill('SIGKILL');
    const { status, stdout } = await lab.plugin('DEL', configure([4]), { variant: 'iptables-legacy' });
    assert.equal(status, 0, stdout);
    assert.equal(await lab.describe('pod'), untouched);
  });

  it('meet a plugin without unneeded privileges', async () => {
    const { plugin, child } = await beginWaitingAdd();
    // CAP_DAC_OVERRIDE, DAC_READ_SEARCH, NET_ADMIN, NET_RAW, SYS_MODULE, SYS_PTRACE, SYS_ADMIN
    const needed = 0x293006n;
    for (const pid of [plugin.pid, child]) {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      assert.match(status, /^NoNewPrivs:\t1$/m);
      for (const set of ['CapEff', 'CapPrm', 'CapBnd']) {
        const mask = BigInt(`0x${new RegExp(`^${set}:\t(\\S+)$`, 'm').exec(status)?.[1]}`);
        assert.equal(mask & ~needed, 0n, `${set} of ${pid}: ${mask.toString(16)}`);
      }
    }
    plugin.kill('SIGKILL');
  });

  for (const variant of variants) {
    it(`have no path into the cluster through a third interface, whenever it appears, rules by ${variant}`, async () => {
      await lab.serveOutside({ tcp: [80], udp: [80] });
      const far = await lab.agent('far');
      const near = await lab.agent('near');
      for (const family of [4, 6] as const) {
        await far.serve('tcp', at.far[family], 80);
        await near.serve('tcp', at.near[family], 80);
      }
      // The pod itself has ways into the cluster.
      const config = configure([4, 6], {}, { clusterNetworks: ['10.128.0.0/14', 'fd00:10:128::/48'] });
      assert.equal((await lab.plugin('ADD', config, { variant })).status, 0);
      await execa('ip', ['netns', 'add', lab.netns('extra')]);
      await lab.ip('pod', `link add eth2 type veth peer name eth0 netns ${lab.netns('extra')}`, 'link set eth2 up');
      await lab.ip('pod', 'address add 172.20.0.1/24 dev eth2', 'address add fd20::1/64 dev eth2 nodad');
      await lab.ip(
        'extra',
        'link set lo up',
        'link set eth0 up',
        'address add 172.20.0.2/24 dev eth0',
        'address add fd20::2/64 dev eth0 nodad',
        'route add default via 172.20.0.1',
        'route add default via fd20::1',
      );
      // The cluster would answer: it knows the way back.
      await lab.ip('node', `route add 172.20.0.0/24 via ${at.pod[4]}`, `route add fd20::/64 via ${at.pod[6]}`);
      const entered = await lab.capture('node', 'to-pod', 'inbound and (src net 172.20.0.0/24 or src net fd20::/64)');
      const left = await lab.capture('outside', 'eth0', 'src net 172.20.0.0/24 or src net fd20::/64');
      const extra = await lab.agent('extra');
      for (const host of [at.near[4], at.near[6], at.far[4], at.far[6], at.web[4], at.web[6]]) {
        assert.equal(await extra.reach('tcp', host, 80, { timeout: 300 }), 'timeout', host);
      }
      assert.deepEqual(await entered.stop(), []);
      assert.deepEqual(await left.stop(), []);
      // And the router works as before.
      assert.equal(await far.reach('tcp', at.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
      assert.equal(await far.reach('tcp', at.pod[6], 8080), `${at.reserved[6]} ${at.web[6]} 80`);
    });
  }

  it('see the reserved address on net1 only, and the pod as before', async () => {
    // A flat network: the pod's neighbours think that the reserved network is theirs, too.
    await lab.ip('near', 'address add 192.168.12.200/24 dev eth0', 'address add 2001:db8:12::200/64 dev eth0 nodad');
    assert.equal((await lab.plugin('ADD', configure([4, 6]))).status, 0);
    const near = await lab.agent('near');
    const neighbours = async (): Promise<string> => await lab.run('near', 'ip', ['neigh']);
    for (const host of [at.reserved[4], at.reserved[6], at.pod[4], at.pod[6]]) {
      await near.reach('tcp', host, 4444, { timeout: 300 });
    }
    const seen = await neighbours();
    for (const host of [at.reserved[4], at.reserved[6]]) {
      assert.doesNotMatch(seen, new RegExp(`^${host} .*lladdr`, 'm'), seen);
    }
    for (const host of [at.pod[4], at.pod[6]]) assert.match(seen, new RegExp(`^${host} .*lladdr`, 'm'), seen);
    const outsider = await lab.agent('outsider');
    for (const host of [at.reserved[4], at.reserved[6]]) {
      await outsider.reach('tcp', host, 4444, { timeout: 300 });
      assert.match(await lab.run('outsider', 'ip', ['neigh']), new RegExp(`^${host} .*lladdr`, 'm'));
    }
    assert.equal((await lab.plugin('DEL', configure([4, 6]))).status, 0);
    assert.doesNotMatch(await lab.run('pod', 'nft', ['list', 'ruleset']), /egress-router/);
    assert.ok(!existsSync('/run/egress-router/erhost-container@net1.json'));
  });
});
