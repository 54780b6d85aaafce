import { TestAuthority } from '../../../lab/certificates.ts';
import type { GatewayLab } from './gateway-lab.ts';

const infra = 'gateway-conformance-infra';

/** Certificates that the suite makes before its tests: Secrets with their names. */
const secrets: Readonly<Record<string, readonly string[]>> = {
  'gateway-conformance-web-backend/certificate': ['web.example.org'],
  [`${infra}/tls-validity-checks-certificate`]: ['*.org', '*.wildcard.org'],
  [`${infra}/tls-checks-certificate`]: ['abc.example.com', 'other.example.com'],
  [`${infra}/tls-passthrough-checks-certificate`]: ['abc.example.com'],
  'gateway-conformance-app-backend/tls-passthrough-checks-certificate': ['abc.example.com'],
};

/**
 * Creates the Secrets. All certificates are of one authority, which clients trust: the tests show which of them a
 * listener presents by its names.
 */
export function createCertificates(lab: GatewayLab): string {
  const authority = new TestAuthority('conformance');
  for (const [key, hosts] of Object.entries(secrets)) {
    const [namespace = '', name = ''] = key.split('/');
    const pair = authority.issue({ name: 'default', hosts });
    const encode = (text: string) => Buffer.from(text).toString('base64');
    lab.apply('Secret', {
      metadata: { namespace, name },
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': encode(pair.certificate), 'tls.key': encode(pair.key) },
    });
  }
  return authority.certificate;
}
