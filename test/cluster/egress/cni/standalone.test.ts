import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { pluginCommand } from '../../../lab/plugin.ts';

const [executable] = pluginCommand();

describe('the executable on a node with nothing but libc and /proc', () => {
  let root: string;
  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'erbare-'));
    copyFileSync(executable, join(root, 'egress-router'));
    mkdirSync(join(root, 'proc'));
    // Lines of ldd: "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)" and "/lib64/ld-linux-x86-64.so.2 (0x…)".
    const { stdout } = await execa('ldd', [executable]);
    for (const [, path] of stdout.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(/gm)) {
      assert.ok(path !== undefined);
      mkdirSync(dirname(join(root, path)), { recursive: true });
      copyFileSync(path, join(root, path));
    }
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  /** Runs it there, with these variables and no others, not even a PATH. */
  const run = (env: Record<string, string>, input = '') =>
    execa('/usr/bin/unshare', ['--mount-proc', `--root=${root}`, '/egress-router'], {
      env,
      extendEnv: false,
      input,
      reject: false,
    });

  it('introduces itself to a person, even with an empty environment', async () => {
    const { exitCode, stdout, stderr } = await run({});
    assert.equal(exitCode, 0);
    assert.equal(stdout, '');
    assert.match(stderr, /^egress-router \d.*CNI plugin/);
  });

  it('answers VERSION', async () => {
    const { exitCode, stdout } = await run({ CNI_COMMAND: 'VERSION' }, '{"cniVersion":"1.0.0"}');
    assert.equal(exitCode, 0);
    assert.ok((JSON.parse(stdout) as { supportedVersions: string[] }).supportedVersions.includes('1.1.0'));
  });

  it('answers ADD with an error object, because nothing is installed', async () => {
    const { exitCode, stdout } = await run(
      { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'erbare-1', CNI_NETNS: '/nowhere', CNI_IFNAME: 'net1', CNI_PATH: '/' },
      JSON.stringify({
        cniVersion: '1.0.0',
        name: 'erbare',
        type: 'egress-router',
        ip: { addresses: ['192.168.12.99/24'], gateway: '192.168.12.1' },
      }),
    );
    assert.equal(exitCode, 1);
    const answer = JSON.parse(stdout) as { cniVersion: string; code: number; msg: string };
    assert.equal(answer.cniVersion, '1.0.0');
    assert.ok(answer.code > 0);
    assert.notEqual(answer.msg, '');
  });
});
