import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readReferences } from '../../../../src/ingress/operator/references.ts';
import { TestAuthority } from '../../../lab/certificates.ts';
import { admitted, readSample } from './samples.ts';

const uri = 'http://crl.example.com/root.crl';

describe('The authorities that an IngressController names', () => {
  const { spec } = admitted(
    readSample({ clientTLS: { clientCertificatePolicy: 'Required', clientCA: { name: 'clients' } } }),
  );
  const read = (...bundle: readonly { readonly certificate: string }[]) =>
    readReferences('default', spec, {
      configMap: (_, name) =>
        name === 'clients'
          ? { data: { 'ca-bundle.pem': bundle.map(({ certificate }) => certificate).join('\n') } }
          : undefined,
      secret: () => undefined,
    });
  const plain = new TestAuthority('Plain');
  const [one, other] = [new TestAuthority('One', undefined, uri), new TestAuthority('Other', undefined, uri)];

  it('have revocation lists if the certificates name them', () => {
    assert.deepEqual(new X509Certificate(one.certificate).subject, 'CN=One');
    const { ignored, isBlocked, copies, revocation } = read(one, other);
    assert.deepEqual([ignored, isBlocked, copies.length], [[], false, 1]);
    assert.ok(revocation.plan.kind === 'used');
    assert.deepEqual(
      revocation.plan.issuers.map(({ title, urls }) => [title, urls]),
      [
        ['CN=One', [uri]],
        ['CN=Other', [uri]],
      ],
    );
    assert.equal(read(plain).revocation.plan.kind, 'none');
    assert.equal(
      read({ certificate: '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----' }).revocation.plan.kind,
      'none',
    );
  });

  it('are reported when lists are not used, because one authority has none', () => {
    const { ignored, isBlocked, copies, revocation } = read(
      plain,
      one,
      new TestAuthority('Old', undefined, 'ldap://dc/cn=x'),
    );
    assert.deepEqual([revocation.plan.kind, isBlocked, copies.length, ignored.length], ['unusable', false, 1, 1]);
    const [line = ''] = ignored;
    assert.match(
      line,
      /^spec\.clientTLS\.clientCA: revocation lists are not used, so revoked client certificates are admitted/,
    );
    assert.match(line, / of CN=Plain; CN=Old \(only ldap:\/\/dc\/cn=x\), and HAProxy/);
  });
});
