import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { execa } from 'execa';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { executable } from '../../../lab/executable.ts';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { configure } from '../cni/configurations.ts';

const program = executable('egress-router-pod');
/** Like the pod's container: an unprivileged user without capabilities. */
const asNobody = ['--reuid', '65532', '--regid', '65532', '--clear-groups', '--bounding-set=-all', '--no-new-privs'];

describe('the compiled program of the router pod without privileges', () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.up('erpod');
  });
  after(() => lab.down());
  beforeEach(async () => {
    const added = await lab.plugin('ADD', configure([4, 6]));
    assert.equal(added.status, 0, added.stdout);
  });
  afterEach(() => lab.plugin('DEL', configure([4, 6])));

  async function probe(...more: readonly string[]): Promise<{ code: number | undefined; text: string }> {
    const known = ['--interface', 'net1', '--address', `${at.reserved[4]}/24`, '--gateway', at.gateway[4]];
    const words = ['netns', 'exec', lab.netns('pod'), 'setpriv', ...asNobody, program, 'ready', ...known, ...more];
    const { exitCode, stdout } = await execa('ip', words, { reject: false });
    return { code: exitCode, text: stdout };
  }

  const both = ['--address', `${at.reserved[6]}/64`, '--gateway', at.gateway[6]];

  it('finds no problem with a router, even with both families', async () => {
    assert.deepEqual(await probe(), { code: 0, text: '' });
    assert.deepEqual(await probe(...both), { code: 0, text: '' });
  });

  it('finds no problem if the kernel has forgotten the gateway, and sends no request under the address', async () => {
    await lab.ip('pod', 'neighbour flush dev net1');
    assert.deepEqual(await probe(...both), { code: 0, text: '' });
    assert.equal(await lab.run('pod', 'ip', ['neighbour', 'show', 'dev', 'net1']), '');
  });

  const damages: readonly (readonly [name: string, damage: () => Promise<unknown>, says: RegExp])[] = [
    ['a missing link', () => lab.ip('pod', 'link delete net1'), /^interface net1 is missing: check that Multus runs/],
    ['a link that is down', () => lab.ip('pod', 'link set net1 down'), /^net1 is down/],
    [
      'a lost address',
      () => lab.ip('pod', `address delete ${at.reserved[4]}/24 dev net1`),
      /^net1 lacks the reserved address/,
    ],
    [
      'another default route',
      () => lab.ip('pod', 'route replace default via 10.128.10.1 dev eth0'),
      /^the IPv4 default route uses eth0, not net1/,
    ],
    [
      'another gateway',
      () => lab.ip('pod', 'route replace default via 192.168.12.77 dev net1'),
      /^the IPv4 default route uses gateway 192\.168\.12\.77, not 192\.168\.12\.1/,
    ],
    ['no default route', () => lab.ip('pod', 'route delete default'), /^the IPv4 default route is missing/],
  ];
  for (const [name, damage, says] of damages) {
    it(`reports ${name}`, async () => {
      await damage();
      const { code, text } = await probe();
      assert.equal(code, 1);
      assert.match(text, says);
    });
  }

  it('reports a gateway that does not answer', async () => {
    await lab.ip('pod', 'neighbour flush dev net1');
    const silent = `${at.reserved[4].replace(/\d+$/, '')}200`;
    await lab.ip('pod', `route replace default via ${silent} dev net1`);
    // A datagram makes the kernel ask for it, in vain.
    await lab.run('pod', 'bash', ['-c', `echo > /dev/udp/${silent}/9`]);
    const words = ['--interface', 'net1', '--address', `${at.reserved[4]}/24`, '--gateway', silent];
    const run = ['netns', 'exec', lab.netns('pod'), 'setpriv', ...asNobody, program, 'ready', ...words];
    const { exitCode, stdout } = await execa('ip', run, { reject: false });
    assert.equal(exitCode, 1);
    assert.match(stdout, new RegExp(`^the gateway ${silent} does not answer on net1`));
  });

  const wrong: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['ready', '--address', '192.168.12.99/24'], /--interface "": must be/],
    [['ready', '--interface', 'net1'], /--address missing/],
    [['ready', '--interface', 'net1', '--address', 'x'], /--address "x": must be an address with prefix length/],
    [['ready', '--interface', 'net1', '--address', '10.0.0.1/8', '--gateway', 'x'], /--gateway "x"/],
    [['walk'], /"walk": must be "run" or "ready"/],
    [['run', '--fast'], /--fast/],
  ];
  for (const [args, says] of wrong) {
    it(`rejects ${args.join(' ')}`, async () => {
      const { exitCode, stderr } = await execa(program, args, { reject: false });
      assert.equal(exitCode, 2);
      assert.match(stderr, says);
    });
  }

  it('exits at once on SIGTERM as the first process of its namespace', async () => {
    const child: ChildProcess = spawn('unshare', ['--pid', '--fork', '--kill-child', program, 'run'], {
      stdio: 'ignore',
    });
    const inner = await firstChildOf(child.pid ?? -1);
    process.kill(inner, 'SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  });
});

/** The process that `unshare` started, once it is the program and has asked for signals. */
async function firstChildOf(pid: number): Promise<number> {
  for (;;) {
    const { stdout } = await execa('ps', ['-o', 'pid=,caught=,args=', '--ppid', `${pid}`], { reject: false });
    const [child, caught, path] = stdout.trim().split(/\s+/);
    // SIGTERM is number 15: bit 14.
    const isListening = caught !== undefined && (BigInt(`0x${caught}`) & (1n << 14n)) !== 0n;
    if (path === program && isListening) return Number(child);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
