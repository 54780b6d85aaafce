import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { formatProblem } from '../../../../src/base/model/problem.ts';
import { checkAuthorities, checkKeyPair, type KeyLimits, usualKeys } from '../../../../src/ingress/http/certificate.ts';
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

describe('Certificates of Routes', () => {
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

  it('take time linear in their length, whatever they contain', () => {
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
    it(`are ${isTaken ? 'accepted' : 'rejected'} with keys of ${name}, as by HAProxy`, () => {
      const command = `req -x509 -newkey ${words} -nodes -keyout - -subj /CN=a.test -days 2`;
      const certificate = execFileSync('/usr/bin/openssl', command.split(' '), { stdio: 'pipe' }).toString();
      const read = checkKeyPair({ certificate, paths });
      assert.match(read.ok ? '' : (read.problems[0]?.cure ?? ''), isTaken ? /^$/ : /^must have (?:RSA keys|a key) of /);
      const folder = mkdtempSync(join(tmpdir(), 'erce-'));
      writeFileSync(join(folder, 'a.pem'), certificate);
      const rest = 'defaults\n mode http\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n';
      writeFileSync(join(folder, 'a.cfg'), `${rest}frontend a\n bind 127.0.0.1:8899 ssl crt ${folder}/a.pem\n`);
      const { status } = spawnSync('/usr/sbin/haproxy', ['-c', '-f', join(folder, 'a.cfg')]);
      rmSync(folder, { recursive: true });
      assert.equal(status === 0, isTaken);
    }).timeout(10_000);
  }

  const costly: readonly (readonly [name: string, words: string, seen: RegExp, limits: KeyLimits])[] = [
    ['RSA of 5120 bits', 'rsa:5120', /an RSA key of 5120 bits/, { ...usualKeys, rsaBits: 8192 }],
    [
      'EC over a binary field',
      'ec -pkeyopt ec_paramgen_curve:sect283r1',
      /a key on the curve sect283r1|unknown kind/,
      { ...usualKeys, curves: new Set(['sect283r1']) },
    ],
    [
      'EC of another curve',
      'ec -pkeyopt ec_paramgen_curve:secp256k1',
      /a key on the curve secp256k1/,
      { ...usualKeys, curves: new Set(['secp256k1']) },
    ],
  ];
  for (const [name, words, seen, limits] of costly) {
    it(`are rejected with keys of ${name} unless an administrator allows them`, () => {
      const pem = execFileSync(
        '/usr/bin/openssl',
        `req -x509 -newkey ${words} -nodes -keyout - -subj /CN=a.test -days 2`.split(' '),
        { stdio: 'pipe' },
      ).toString();
      const [certificate = ''] = /-----BEGIN CERT[\s\S]*/.exec(pem) ?? [];
      const refused = checkKeyPair({ certificate: pem, paths });
      assert.match(refused.ok ? 'taken' : (refused.problems[0]?.value ?? ''), seen);
      const authority = checkAuthorities(certificate, 'ca');
      assert.match(authority.ok ? 'taken' : (authority.problems[0]?.value ?? ''), seen);
      assert.equal(checkKeyPair({ certificate: pem, paths, limits }).ok, true);
      assert.equal(checkAuthorities(certificate, 'ca', limits).ok, true);
    }).timeout(60_000);
  }

  it('are rejected with a DSA key, with which no client completes a handshake', () => {
    const folder = mkdtempSync(join(tmpdir(), 'erce-'));
    const run = (words: string) => execFileSync('/usr/bin/openssl', words.split(' '), { cwd: folder, stdio: 'pipe' });
    run('dsaparam -out p.pem 2048');
    run('gendsa -out key.pem p.pem');
    const certificate = run('req -x509 -key key.pem -subj /CN=a.test -days 2').toString();
    const key = readFileSync(join(folder, 'key.pem'), 'utf8');
    rmSync(folder, { recursive: true });
    const read = checkKeyPair({ certificate, key, paths });
    assert.match(
      read.ok ? 'taken' : (read.problems.map(formatProblem)[0] ?? ''),
      /a DSA key\): must have a key of RSA/,
    );
  }).timeout(60_000);

  it('are verified with few signatures: a chain of one name and many keys causes no delay', () => {
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
