import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readReferences } from '../../../../src/ingress/operator/references.ts';
import { TestAuthority } from '../../../lab/certificates.ts';
import { admitted, readSample } from './samples.ts';

const uri = 'http://crl.example.com/root.crl';

describe('The objects that an IngressController names', () => {
  const { spec } = admitted(
    readSample({ clientTLS: { clientCertificatePolicy: 'Required', clientCA: { name: 'clients' } } }),
  );
  const read = (bundle: string) =>
    readReferences('default', spec, {
      configMap: (_, name) => (name === 'clients' ? { data: { 'ca-bundle.pem': bundle } } : undefined),
      secret: () => undefined,
    });

  it('are reported when they name revocation lists, which no program downloads', () => {
    const plain = new TestAuthority('Plain');
    const [one, other] = [new TestAuthority('One', undefined, uri), new TestAuthority('Other', undefined, uri)];
    assert.deepEqual(new X509Certificate(one.certificate).subject, 'CN=One');
    const { ignored, isBlocked, copies } = read([plain, one, other].map(({ certificate }) => certificate).join('\n'));
    assert.deepEqual([ignored.length, isBlocked, copies.length], [1, false, 1]);
    const [line = ''] = ignored;
    assert.match(line, /^spec\.clientTLS\.clientCA: the revocation lists of CN=One; CN=Other are not downloaded/);
    assert.deepEqual(read(plain.certificate).ignored, []);
    assert.deepEqual(read('-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----').ignored, []);
  });
});
