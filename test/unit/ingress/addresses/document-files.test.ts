import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DocumentFiles } from '../../../../src/ingress/addresses/document-files.ts';

describe('The files of the agent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'erdf-'));
  after(() => rmSync(folder, { recursive: true }));
  const secret = randomBytes(32).toString('base64');
  const path = join(folder, 'keys.json');
  const write = (id: string, mode: number): void => {
    writeFileSync(`${path}.new`, JSON.stringify({ version: 1, keys: [{ id, secret }] }));
    chmodSync(`${path}.new`, mode);
    renameSync(`${path}.new`, path);
  };
  const open = (): { readonly files: DocumentFiles; readonly problems: string[] } => {
    const problems: string[] = [];
    return { files: new DocumentFiles(folder, 0, (problem) => problems.push(problem)), problems };
  };

  for (const mode of [0o644, 0o640, 0o620, 0o604, 0o601]) {
    it(`count only when other users cannot read the keys: not with mode ${mode.toString(8)}, until it changes`, () => {
      const { files, problems } = open();
      write('bad', mode);
      for (let count = 0; count < 3; count++) assert.equal(files.poll(count), false);
      assert.deepEqual(files.keys, []);
      assert.equal(problems.length, 1);
      assert.match(problems[0] ?? '', /keys\.json: other users can read it; run "chmod 0600 /);
      assert.ok(!problems.join().includes(secret));
      chmodSync(path, 0o600);
      assert.equal(files.poll(4), true);
      assert.deepEqual(
        files.keys.map(({ id }) => id),
        ['bad'],
      );
      assert.equal(files.poll(5), false);
    });
  }

  it('keep the last valid keys when they become readable by others', () => {
    const { files, problems } = open();
    write('good', 0o600);
    assert.equal(files.poll(0), true);
    write('leaked', 0o644);
    assert.equal(files.poll(1), false);
    assert.deepEqual(
      files.keys.map(({ id }) => id),
      ['good'],
    );
    assert.equal(problems.length, 1);
  });

  it('never quote invalid keys, and report each replacement once', () => {
    const { files, problems } = open();
    for (const text of [secret, JSON.stringify({ version: 1, keys: [{ id: 'a', secret: 'short' }] })]) {
      writeFileSync(path, text, { mode: 0o600 });
      chmodSync(path, 0o600);
      for (let count = 0; count < 3; count++) assert.equal(files.poll(count), false);
    }
    assert.equal(problems.length, 2);
    assert.ok(!problems.join().includes(secret) && !problems.join().includes('short'), problems.join());
  });

  it('are read again after an error, which is reported once', () => {
    rmSync(path, { force: true });
    mkdirSync(path, { mode: 0o700 });
    const { files, problems } = open();
    for (let count = 0; count < 3; count++) assert.equal(files.poll(count), false);
    assert.equal(problems.length, 1, problems.join());
    assert.match(problems[0] ?? '', /^Cannot read .*keys\.json: .*EISDIR/);
    rmdirSync(path);
    write('good', 0o600);
    assert.equal(files.poll(4), true);
  });
});
