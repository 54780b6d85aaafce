import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OptionsError } from '../../../../src/base/daemon/reader.ts';
import { install, uninstall } from '../../../../src/egress/node/install.ts';
import { Installer } from '../../../../src/egress/node/installer.ts';
import { parseOptions } from '../../../../src/egress/node/options.ts';
import { executable } from '../../../lab/executable.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { until } from '../../../until.ts';

describe('install', () => {
  let folder: string;
  let target: string;
  let source: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'install-'));
    target = join(folder, 'bin');
    source = join(folder, 'source');
    mkdirSync(target);
    writeFileSync(source, '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const run = (): string => install({ source, target, name: 'egress-router' });
  const place = (): string => join(target, 'egress-router');

  it('installs a program that everyone can execute, and then leaves it unchanged', () => {
    assert.equal(run(), 'installed');
    assert.equal(readFileSync(place(), 'utf8'), readFileSync(source, 'utf8'));
    const { mode, ino } = statSync(place());
    assert.equal(mode & 0o7777, 0o755);
    assert.equal(run(), 'current');
    assert.equal(statSync(place()).ino, ino);
    assert.deepEqual(readdirSync(target), ['egress-router']);
  });

  it('replaces an old version while it is running', async () => {
    run();
    const child = spawn(place(), [], { stdio: 'ignore' });
    await once(child, 'spawn');
    writeFileSync(source, 'new');
    assert.equal(run(), 'installed');
    assert.equal(readFileSync(place(), 'utf8'), 'new');
    assert.equal(child.exitCode, null);
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  it('repairs changed content, mode, or both', () => {
    for (const damage of [
      () => writeFileSync(place(), 'changed'),
      () => chmodSync(place(), 0o600),
      () => rmSync(place()),
    ]) {
      run();
      damage();
      assert.equal(run(), 'installed');
      assert.equal(run(), 'current');
    }
  });

  it('replaces a link without following it', () => {
    const elsewhere = join(folder, 'elsewhere');
    writeFileSync(elsewhere, 'precious');
    symlinkSync(elsewhere, place());
    assert.equal(run(), 'installed');
    assert.equal(readFileSync(elsewhere, 'utf8'), 'precious');
    assert.equal(lstatSync(place()).isSymbolicLink(), false);
  });

  it('deletes leftovers of an interrupted run, but no links', () => {
    writeFileSync(join(target, '.egress-router-old'), 'half');
    symlinkSync(source, join(target, '.egress-router-link'));
    run();
    assert.deepEqual(readdirSync(target).sort(), ['.egress-router-link', 'egress-router']);
  });

  it('reports errors, and leaves no partial installation', () => {
    const cases: readonly (readonly [change: () => void, says: RegExp])[] = [
      [() => rmSync(source), /^Cannot read .*source: ENOENT/],
      [() => rmSync(target, { recursive: true }), /^Cannot list .*bin: ENOENT/],
      [() => mkdirSync(place()), /^Cannot put egress-router into /],
    ];
    for (const [change, says] of cases) {
      mkdirSync(target, { recursive: true });
      writeFileSync(source, 'x');
      change();
      assert.throws(run, { message: says });
      const left = existsSync(target) ? readdirSync(target).filter((name) => name.startsWith('.')) : [];
      assert.deepEqual(left, []);
    }
  });

  it('leaves nothing if the disk is full', () => {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', target]);
    assert.equal(mounted.status, 0, mounted.stderr.toString());
    try {
      writeFileSync(source, Buffer.alloc(1024 * 1024));
      assert.throws(run, /^Error: Cannot write .*ENOSPC/);
      assert.deepEqual(readdirSync(target), []);
    } finally {
      spawnSync('umount', [target]);
    }
  });

  it('removes the program, and accepts that it is missing', () => {
    run();
    for (let count = 0; count < 2; count++) uninstall({ source, target, name: 'egress-router' });
    assert.deepEqual(readdirSync(target), []);
  });

  describe('kept by an installer', () => {
    const quiet = { ...silentLog };
    const settings = () => ({
      installation: { source, target, name: 'egress-router' },
      interval: 60_000,
      uninstallsOnExit: true,
    });
    const removal = { hasRouters: () => false, mark: () => undefined, clearMark: () => undefined };

    it('is installed soon after what kept it away is gone, long before the next look', async () => {
      rmSync(target, { recursive: true });
      const running = new Installer(settings(), quiet, removal).start();
      mkdirSync(target);
      await until(
        () => existsSync(place()),
        () => 'not installed',
        10_000,
      );
      await running.stop();
      assert.equal(existsSync(place()), false);
    }).timeout(15_000);

    it('stays at the end while a router needs it for its DEL', async () => {
      const marks: string[] = [];
      const busy = { ...removal, hasRouters: () => true, mark: (name: string) => void marks.push(name) };
      await new Installer(settings(), quiet, busy).start().stop();
      assert.equal(existsSync(place()), true);
      assert.deepEqual(marks, ['egress-router']);
    });
  });

  describe('as compiled', () => {
    const program = executable('install-cni');
    let child: ChildProcess | undefined;
    afterEach(() => child?.kill('SIGKILL'));

    it('keeps the plugin installed until SIGTERM, and removes it if configured', async () => {
      const words = ['--source', source, '--target', target, '--interval', '20ms', '--uninstall-on-exit'];
      child = spawn(program, words, { stdio: 'ignore' });
      const isThere = (): boolean => existsSync(place());
      await until(isThere, () => 'not installed');
      rmSync(place());
      await until(isThere, () => 'not put back');
      child.kill('SIGTERM');
      assert.deepEqual((await once(child, 'exit'))[0], 0);
      assert.equal(isThere(), false);
    });

    it('exits after the first installation, with 1 if it failed', () => {
      const words = ['--source', source, '--target', target, '--once'];
      assert.equal(spawnSync(program, words).status, 0);
      rmSync(source);
      const { status, stdout } = spawnSync(program, words);
      assert.equal(status, 1);
      assert.match(stdout.toString(), /"problem":"Cannot read /);
    });
  });

  const wrong = [
    ['--source', 'here', /^--source "here": must be an absolute path$/],
    ['--target', 'there', /^--target "there": must be an absolute path$/],
    ['--name', '../x', /^--name "..\/x": must be a file name$/],
    ['--interval', 'often', /^--interval "often": must be a time/],
    ['--fast', '', /--fast/],
  ] as const;
  for (const [flag, value, says] of wrong) {
    it(`rejects ${flag} ${value}`, () => {
      assert.throws(
        () => parseOptions(value === '' ? [flag] : [flag, value], {}),
        (error) => error instanceof OptionsError && says.test(error.message),
      );
    });
  }
});
