import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execaSync } from 'execa';
import { after, before, describe, it } from 'mocha';
import { makeBase } from './base.ts';

const base = 'localhost/eregr-base';
const image = 'localhost/eregr-image';

describe('the container image', function () {
  this.timeout(240_000);
  let folder: string;
  /** The image's files, mounted so that nothing can be written. */
  let root: string;
  let container: string;

  /** Runs buildah on a storage of the test's own. Throws where it fails. */
  function buildah(...words: readonly string[]): string {
    const storage = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
    return execaSync('buildah', [...storage, ...words]).stdout.trim();
  }

  /** Runs a program of the image as a user, with nothing else of this machine; `ROOT` is the image's own. */
  function run(user: number, name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const words = [`--userspec=${user}:${user}`, root, name, ...args];
    return execaSync('chroot', words, {
      reject: false,
      extendEnv: false,
      env: { PATH: '/usr/local/bin:/usr/sbin', ...env },
    });
  }

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'eregr-image-'));
    const files = join(folder, 'base');
    makeBase(files);
    const scratch = buildah('from', 'scratch');
    buildah('add', '-q', scratch, files, '/');
    buildah('commit', '-q', '--rm', scratch, base);
    const options = ['--isolation', 'chroot', '--pull=never', '--build-arg', `BASE=${base}`];
    buildah('build', ...options, '--build-arg', 'PROGRAMS=prebuilt', '-q', '-t', image, '.');
    container = buildah('from', '--pull=never', image);
    root = join(folder, 'image');
    mkdirSync(root);
    execaSync('mount', ['--bind', buildah('mount', container), root]);
    execaSync('mount', ['-o', 'remount,ro,bind', root]);
    // As every container runtime gives them.
    execaSync('mount', ['-t', 'proc', 'proc', join(root, 'proc')]);
    execaSync('mount', ['--bind', '/dev', join(root, 'dev')]);
  });
  after(() => {
    for (const path of ['dev', 'proc', '.']) execaSync('umount', [join(root, path)], { reject: false });
    execaSync(
      'buildah',
      ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs', 'umount', '-a'],
      { reject: false },
    );
    rmSync(folder, { recursive: true, force: true });
  });

  it('builds on a given base without a network', () => {
    const { config } = JSON.parse(buildah('inspect', '--type', 'image', image)).OCIv1;
    assert.equal(config.User, '65532:65532');
    assert.equal(config.Labels['org.opencontainers.image.licenses'], 'Apache-2.0');
    assert.equal(config.Labels['org.opencontainers.image.version'], '0.1.0');
    const sbom = JSON.parse(readFileSync(join(root, 'usr/local/share/doc/egress-router/sbom.spdx.json'), 'utf8'));
    assert.equal(sbom.spdxVersion, 'SPDX-2.3');
  });

  it('contains two executables and links to them for all other names', () => {
    const links = [
      'ingress-addresses',
      'ingress-agent',
      'ingress-haproxy',
      'ingress-started',
      'egress-router-controller',
      'egress-router-node',
      'install-cni',
      'erctl',
      'egress-router-pod',
    ];
    const targets = links.map((name) => readlinkSync(join(root, 'usr/local/bin', name)));
    assert.deepEqual(targets, [...Array.from({ length: 8 }, () => 'tools'), 'egress-router']);
  });

  const helped: readonly (readonly [name: string, args: readonly string[], says: RegExp])[] = [
    ['egress-router-controller', ['--help'], /^Usage: egress-router-controller /],
    ['ingress-agent', ['--help'], /^Usage: ingress-agent /],
    ['ingress-haproxy', ['--help'], /^Usage: ingress-haproxy /],
    ['ingress-addresses', ['--help'], /^Usage: ingress-addresses /],
    ['ingress-started', ['--help'], /^Usage: ingress-started /],
    ['install-cni', ['--help'], /^Usage: install-cni /],
    ['egress-router-node', ['--help'], /^Usage: egress-router-node /],
    ['egress-router-pod', ['--help'], /^Usage: egress-router-pod run/],
    ['erctl', ['--help'], /^Usage: erctl /],
  ];
  for (const [name, args, says] of helped) {
    it(`runs ${name} as an unprivileged user on a read-only root`, () => {
      const { exitCode, stdout, stderr } = run(65532, name, args);
      assert.equal(exitCode, 0, stderr);
      assert.match(stdout, says);
    });
  }

  it('runs the plugin', () => {
    const { exitCode, stdout } = execaSync('chroot', [root, 'egress-router'], {
      input: '{"cniVersion":"1.0.0"}',
      extendEnv: false,
      env: { PATH: '/usr/local/bin:/usr/sbin', CNI_COMMAND: 'VERSION' },
    });
    assert.equal(exitCode, 0);
    assert.ok(JSON.parse(stdout).supportedVersions.includes('1.1.0'));
  });

  it('contains nft for the agent', () => assert.match(run(0, 'nft', ['--version']).stdout, /^nftables v/));

  it('installs its plugin into a folder of the node, where it runs', () => {
    const target = join(folder, 'node');
    mkdirSync(target);
    // The DaemonSet mounts the node's folder here.
    execaSync('mount', ['--bind', target, join(root, 'tmp')]);
    try {
      const { exitCode, stdout } = run(0, 'install-cni', ['--target', '/tmp', '--once']);
      assert.equal(exitCode, 0, stdout);
    } finally {
      execaSync('umount', [join(root, 'tmp')]);
    }
    const installed = join(target, 'egress-router');
    assert.deepEqual(readFileSync(installed), readFileSync(join(root, 'usr/local/bin/egress-router')));
    const { stdout } = execaSync(installed, { input: '{"cniVersion":"1.0.0"}', env: { CNI_COMMAND: 'VERSION' } });
    assert.ok(JSON.parse(stdout).supportedVersions.includes('0.3.0'));
  });

  it('rejects a name that belongs to no program', () => {
    const { exitCode, stderr } = run(65532, 'tools', []);
    assert.equal(exitCode, 2);
    assert.match(stderr, /must be invoked by the name of a program/);
  });
});
