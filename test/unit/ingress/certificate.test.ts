import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'mocha';
import { checkKeyPair } from '../../../src/ingress/http/certificate.ts';
import { readPem } from '../../../src/ingress/http/pem.ts';

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
