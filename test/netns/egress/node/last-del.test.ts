import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { executable } from '../../../lab/executable.ts';
import { Lab } from '../../../lab/lab.ts';
import { until } from '../../../until.ts';
import { configure } from '../cni/configurations.ts';

describe('a plugin that is uninstalled, as built', () => {
  let lab: Lab;
  let target: string;
  let installer: ChildProcess | undefined;
  beforeEach(async () => {
    lab = await Lab.up('erlast');
    target = mkdtempSync(join(tmpdir(), 'last-'));
  });
  afterEach(() => {
    installer?.kill('SIGKILL');
    lab.down();
    rmSync('/run/egress-router/remove-plugin', { force: true });
    rmSync(target, { recursive: true });
  });

  const place = (): string => join(target, 'egress-router');

  async function startInstaller(): Promise<void> {
    const words = ['--source', executable('egress-router'), '--target', target, '--uninstall-on-exit'];
    installer = spawn(executable('install-cni'), words, { stdio: 'ignore' });
    await until(
      () => existsSync(place()),
      () => 'not installed',
      20_000,
    );
  }

  async function endInstaller(): Promise<void> {
    installer?.kill('SIGTERM');
    if (installer !== undefined) await once(installer, 'exit');
  }

  async function call(verb: 'ADD' | 'DEL', link: string): Promise<void> {
    const { exitCode, stdout } = await execa('/sbin/ip', ['netns', 'exec', lab.netns('node'), place()], {
      input: JSON.stringify(configure([link === 'net1' ? 4 : 6])),
      reject: false,
      env: {
        CNI_COMMAND: verb,
        CNI_PATH: target,
        CNI_CONTAINERID: 'erlast-container',
        CNI_NETNS: lab.path('pod'),
        CNI_IFNAME: link,
      },
    });
    assert.equal(exitCode, 0, stdout);
  }

  it('stays until the last router’s DEL, which removes it', async () => {
    await startInstaller();
    for (const link of ['net1', 'net2']) await call('ADD', link);
    await endInstaller();
    assert.ok(existsSync(place()));
    await call('DEL', 'net1');
    assert.ok(existsSync(place()), 'the other router needs it');
    await call('DEL', 'net2');
    assert.equal(existsSync(place()), false);
    assert.equal(existsSync('/run/egress-router/remove-plugin'), false);
  }).timeout(60_000);

  it('stays after the last DEL if another installer was started meanwhile', async () => {
    await startInstaller();
    await call('ADD', 'net1');
    await endInstaller();
    await startInstaller();
    await until(
      () => !existsSync('/run/egress-router/remove-plugin'),
      () => 'the mark is still there',
      20_000,
    );
    await call('DEL', 'net1');
    assert.ok(existsSync(place()));
  }).timeout(60_000);
});
