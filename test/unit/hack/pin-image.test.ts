import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';

describe('hack/pin-image', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pin-'));
    file = join(folder, 'Containerfile');
    copyFileSync('Containerfile', file);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs it with a skopeo that answers `digest` for every image, and remembers what it was asked. */
  function run(digest: string, ...args: readonly string[]) {
    const skopeo = `#!/bin/sh\necho "$@" >> ${join(folder, 'asked')}\necho '${digest}'\n`;
    writeFileSync(join(folder, 'skopeo'), skopeo, { mode: 0o755 });
    const env = { PATH: `${folder}:${process.env.PATH}`, CONTAINERFILE: file };
    return spawnSync('bash', ['hack/pin-image', ...args], { env, encoding: 'utf8' });
  }

  const read = (name: string): string =>
    new RegExp(`^ARG ${name}=(.*)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? '';

  it('adds the digests of the registry, replaces them later, and sets the snapshot to today', () => {
    const [one, other] = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}`);
    const tags = ['DEBIAN', 'NODE'].map((name) => read(name).replace(/@.*/, ''));
    for (const digest of [one, other]) {
      const { status, stderr } = run(digest ?? '');
      assert.equal(status, 0, stderr);
      assert.deepEqual(
        ['DEBIAN', 'NODE'].map(read),
        tags.map((tag) => `${tag}@${digest}`),
      );
    }
    assert.ok(!readFileSync(join(folder, 'asked'), 'utf8').includes('@sha256'));
    assert.match(read('SNAPSHOT'), /^\d{8}T000000Z$/);
    assert.equal(run('', '--check').status, 0);
  });

  it('rejects an invalid digest and leaves the file unchanged', () => {
    const before = readFileSync(file, 'utf8');
    const { status, stderr } = run('latest');
    assert.equal(status, 1);
    assert.match(stderr, /the digest of docker\.io\/library\/debian/);
    assert.equal(readFileSync(file, 'utf8'), before);
  });

  it('names images without a digest', () => {
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/@sha256:\w+/g, ''));
    const { status, stderr } = run('', '--check');
    assert.equal(status, 1);
    assert.match(stderr, /DEBIAN is .*without a digest[\s\S]*NODE is .*without a digest/);
  });
});

describe('the Containerfile', () => {
  const text = readFileSync('Containerfile', 'utf8');

  it('installs packages of one snapshot of Debian’s archive, including security updates', () => {
    assert.match(text, /^ARG SNAPSHOT=\d{8}T\d{6}Z$/m);
    for (const archive of ['debian:bookworm', 'debian:bookworm-updates', 'debian-security:bookworm-security'])
      assert.ok(text.includes(archive), archive);
    assert.ok(!/deb\.debian\.org|security\.debian\.org/.test(text));
  });
});
