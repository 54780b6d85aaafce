import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { executable } from '../../../lab/executable.ts';
import { Lab } from '../../../lab/lab.ts';
import { endpointSlice, Manifests, route, service } from '../../../lab/manifests.ts';
import { addresses as at } from '../../../lab/names.ts';

const program = executable('ingress-agent');
const created = '2026-01-01T00:00:00Z';

describe('the compiled ingress agent with a directory of manifests', () => {
  let lab: Lab;
  let folder: string;
  let manifests: Manifests;
  let agent: ChildProcess | undefined;
  beforeEach(async () => {
    lab = await Lab.up('eria');
    folder = mkdtempSync(join(tmpdir(), 'eria-'));
    manifests = new Manifests(folder);
    for (const host of ['pod', 'near'] as const) await (await lab.agent(host)).serve('tcp', at[host][4], 3306);
    writeDatabase('pod');
    start();
    await expectReply(13306, at.pod[4]);
  });
  afterEach(() => {
    agent?.kill('SIGKILL');
    lab.down();
    rmSync(folder, { recursive: true, force: true });
  });

  function start(...more: string[]): void {
    const options = [
      '--manifests',
      manifests.directory,
      '--node-name',
      'node',
      '--stats-port',
      '0',
      '--check-interval',
      '0',
    ];
    agent = spawn('ip', ['netns', 'exec', lab.netns('node'), program, ...options, ...more], { stdio: 'ignore' });
  }

  function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    return new Promise((resolve) => {
      agent?.once('exit', () => resolve());
      agent?.kill(signal);
    });
  }

  function writeDatabase(...hosts: ('pod' | 'near')[]): void {
    const endpoints = hosts.map((host) => ({ address: at[host][4], node: 'node' }));
    const claim = route({ name: 'mysql', port: 13306, service: 'mysql', created });
    manifests.write('mysql', claim, service('mysql', 3306), endpointSlice('mysql', 3306, endpoints));
  }

  async function reach(port: number): Promise<string> {
    return (await lab.agent('outsider')).reach('tcp', at.node[4], port, { timeout: 400 });
  }

  /** Waits until a new connection gets the expected reply, for at most 15 seconds. */
  async function expectReply(port: number, expected: string): Promise<void> {
    let reply = '';
    for (const deadline = Date.now() + 15_000; Date.now() < deadline; ) {
      reply = await reach(port);
      if (reply.includes(expected)) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.fail(`port ${port} answered ${reply}, not ${expected}`);
  }

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    it(`leaves its ports open after ${signal}; the next one takes them over without interrupting a byte stream`, async () => {
      const outsider = await lab.agent('outsider');
      assert.match(await outsider.hold('stream', at.node[4], 13306), / 3306$/);
      await end(signal);
      assert.equal(await outsider.say('stream', 'while it is away'), 'while it is away');
      assert.match(await reach(13306), new RegExp(at.pod[4]));
      // What changed meanwhile is in force once the next one is there; what went stale is gone.
      writeDatabase('near');
      manifests.write('web', route({ name: 'web', port: 18080, service: 'mysql', created }));
      start();
      await expectReply(18080, at.near[4]);
      await expectReply(13306, at.near[4]);
      assert.equal(await outsider.say('stream', 'after it came back'), 'after it came back');
    });
  }

  it('needs no capability except CAP_NET_ADMIN, and writes only the status', async () => {
    await end('SIGTERM');
    const options = ['--manifests', manifests.directory, '--node-name', 'node', '--stats-port', '0'];
    const limits = ['--bounding-set=-all,+net_admin', '--inh-caps=-all', '--no-new-privs'];
    const words = [
      'netns',
      'exec',
      lab.netns('node'),
      'setpriv',
      ...limits,
      program,
      ...options,
      '--check-interval',
      '0',
    ];
    agent = spawn('ip', words, { stdio: 'ignore' });
    writeDatabase('near');
    await expectReply(13306, at.near[4]);
  });

  it('removes everything on exit with --cleanup-on-exit', async () => {
    await end('SIGTERM');
    // Rules of the previous agent serve the old port: only a new one shows that this agent works.
    manifests.write('web', route({ name: 'web', port: 18080, service: 'mysql', created }));
    start('--cleanup-on-exit');
    await expectReply(18080, at.pod[4]);
    await end('SIGTERM');
    assert.equal(await reach(13306), 'ECONNREFUSED');
    assert.doesNotMatch(await lab.run('node', 'nft', ['list', 'ruleset']), /ingress-agent/);
  });

  it('keeps the last valid state of an invalid file, and continues with the others', async () => {
    manifests.writeText('mysql', 'kind: Route\n  metadata: [');
    manifests.write('web', route({ name: 'web', port: 18080, service: 'mysql', created }));
    await expectReply(18080, at.pod[4]);
    assert.match(await reach(13306), new RegExp(at.pod[4]));
  });

  it('gives a port to the oldest Route, and to the next one when that is deleted', async () => {
    const thief = route({ name: 'thief', port: 13306, service: 'other', created: '2026-05-01T00:00:00Z' });
    manifests.write(
      'thief',
      thief,
      service('other', 3306),
      endpointSlice('other', 3306, [{ address: at.near[4], node: 'node' }]),
    );
    for (const deadline = Date.now() + 15_000; manifests.reasonOf('thief') !== 'PortAlreadyClaimed'; ) {
      assert.ok(Date.now() < deadline, manifests.reasonOf('thief'));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.match(await reach(13306), new RegExp(at.pod[4]));
    manifests.remove('mysql');
    await expectReply(13306, at.near[4]);
  });

  it('rejects an invalid option by its name', async () => {
    const { execa } = await import('execa');
    const { exitCode, stderr } = await execa(program, ['--allowed-ports', '70000'], { reject: false });
    assert.equal(exitCode, 2);
    assert.match(stderr, /allowed-ports/);
  });
});
