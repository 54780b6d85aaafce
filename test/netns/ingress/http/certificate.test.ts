import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { checkKeyPair } from '../../../../src/ingress/http/certificate.ts';
import { readPem } from '../../../../src/ingress/http/pem.ts';

const paths = { certificate: 'certificate', key: 'key', caCertificate: 'caCertificate' };

/** Key and self-signed certificate that name no keys, so that only signatures tell signers of one name apart. */
function makeRoot(): string {
  const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout - -subj /CN=same -days 2';
  const plain = ['-addext', 'subjectKeyIdentifier=none', '-addext', 'authorityKeyIdentifier=none'];
  return execFileSync('/usr/bin/openssl', [...words.split(' '), ...plain], { stdio: 'pipe' }).toString();
}

/** Milliseconds that something takes. */
function timeOf(action: () => void): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}

describe('Certificates that a Route brings', () => {
  const block = (label: string, body = 'QUJD') => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
  const texts: readonly (readonly [name: string, text: string, labels: readonly string[] | undefined])[] = [
    ['blocks', `${block('A')}${block('B C')}`, ['A', 'B C']],
    ['text around them, line ends of Windows', `x\r\n${block('A').replaceAll('\n', '\r\n')}y`, ['A']],
    ['an end without a beginning', `-----END A-----\n${block('A')}`, ['A']],
    ['a last block that is cut off', `${block('A')}-----BEGIN A-----\nQUJD`, ['A']],
    ['a block that is cut off before another', `-----BEGIN A-----\nQUJD\n${block('A')}`, undefined],
    ['another end', '-----BEGIN A-----\nQUJD\n-----END B-----', undefined],
    ['what is no base 64', block('A', 'Q!'), undefined],
    ['nothing', '', undefined],
  ];
  for (const [name, text, labels] of texts) {
    it(`are read from ${name}`, () => {
      assert.deepEqual(
        readPem(text)?.map(({ label }) => label),
        labels,
      );
    });
  }

  it('cost no more time than their length, whatever they are', () => {
    const beginnings = '-----BEGIN A-----\n'.repeat(60_000);
    assert.ok(timeOf(() => assert.equal(readPem(`${beginnings}${block('B')}`), undefined)) < 1000);
  });

  const keys: readonly (readonly [name: string, words: string, isTaken: boolean])[] = [
    ['RSA of 1024 bits', 'rsa:1024', false],
    ['RSA of 2048 bits', 'rsa:2048', true],
    ['EC of 192 bits', 'ec -pkeyopt ec_paramgen_curve:prime192v1', false],
    ['EC of 224 bits', 'ec -pkeyopt ec_paramgen_curve:secp224r1', true],
    ['Edwards curves', 'ed25519', true],
  ];
  for (const [name, words, isTaken] of keys) {
    it(`are ${isTaken ? 'taken' : 'refused'} with keys of ${name}, as by HAProxy`, () => {
      const command = `req -x509 -newkey ${words} -nodes -keyout - -subj /CN=a.test -days 2`;
      const certificate = execFileSync('/usr/bin/openssl', command.split(' '), { stdio: 'pipe' }).toString();
      const read = checkKeyPair({ certificate, paths });
      assert.equal(
        read.ok ? '' : read.problems[0]?.cure.slice(0, 31),
        isTaken ? '' : 'must have keys that can be read',
      );
      const folder = mkdtempSync(join(tmpdir(), 'erce-'));
      writeFileSync(join(folder, 'a.pem'), certificate);
      const rest = 'defaults\n mode http\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n';
      writeFileSync(join(folder, 'a.cfg'), `${rest}frontend a\n bind 127.0.0.1:8899 ssl crt ${folder}/a.pem\n`);
      const { status } = spawnSync('/usr/sbin/haproxy', ['-c', '-f', join(folder, 'a.cfg')]);
      rmSync(folder, { recursive: true });
      assert.equal(status === 0, isTaken);
    }).timeout(10_000);
  }

  it('are followed by few signatures: a chain of one name and many keys keeps nobody waiting', () => {
    const root = makeRoot();
    const [certificate = ''] = /-----BEGIN CERT[\s\S]*/.exec(root) ?? [];
    const key = root.replace(certificate, '');
    const chain = certificate.repeat(60);
    const others = Array.from({ length: 30 }, () => makeRoot().replace(/[\s\S]*(?=-----BEGIN CERT)/, '')).join('');
    const check = (caCertificate: string) => checkKeyPair({ certificate: chain, key, caCertificate, paths }).ok;
    assert.ok(timeOf(() => assert.equal(check(others), false)) < 1000);
    assert.equal(check(`${others}${certificate}`), true);
  }).timeout(20_000);
});
