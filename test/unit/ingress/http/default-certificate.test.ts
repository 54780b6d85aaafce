import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock } from 'node:test';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { DefaultCertificate } from '../../../../src/ingress/http/default-certificate.ts';
import { TestAuthority } from '../../../lab/certificates.ts';

describe('The default certificate', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'erdc-'));
    mock.timers.enable({ apis: ['setInterval'] });
  });
  afterEach(() => {
    mock.timers.reset();
    rmSync(folder, { recursive: true });
  });

  it('is valid again when its file is back with the same content', () => {
    const path = join(folder, 'default.pem');
    const { certificate, key } = new TestAuthority('a').issue({ name: 'default.test' });
    writeFileSync(path, `${certificate}\n${key}`);
    let problem: string | undefined = 'none told';
    const watched = new DefaultCertificate({ path });
    watched.start(
      () => assert.fail('nothing changed'),
      (told) => {
        problem = told;
      },
    );
    assert.equal(problem, undefined);
    renameSync(path, `${path}.away`);
    mock.timers.tick(5000);
    assert.match(problem ?? '', /Cannot read the default certificate/);
    renameSync(`${path}.away`, path);
    mock.timers.tick(5000);
    assert.equal(problem, undefined);
    writeFileSync(path, 'no PEM');
    mock.timers.tick(10_000);
    assert.match(problem ?? '', /Cannot use the default certificate/);
    watched.close();
  });
});
