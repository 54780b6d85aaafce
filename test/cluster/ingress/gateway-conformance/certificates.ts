import { TestAuthority } from '../../../lab/certificates.ts';
import type { GatewayLab } from './gateway-lab.ts';

const infra = 'gateway-conformance-infra';

/** Certificates that the suite makes before its tests: Secrets with their names. */
const secrets: Readonly<Record<string, readonly string[]>> = {
  'gateway-conformance-web-backend/certificate': ['web.example.org'],
  [`${infra}/tls-validity-checks-certificate`]: [
    'example.org',
    'second-example.org',
    'https-listener.org',
    '*.org',
    '*.wildcard.org',
  ],
  [`${infra}/tls-checks-certificate`]: ['abc.example.com', 'other.example.com'],
  [`${infra}/tls-passthrough-checks-certificate`]: ['abc.example.com'],
  [`${infra}/tls-terminate-checks-certificate`]: ['tls.example.com'],
  'gateway-conformance-app-backend/tls-passthrough-checks-certificate': ['abc.example.com'],
};

/** ConfigMaps with authorities, and the client certificates that these have signed. */
const authorities: Readonly<Record<string, string | undefined>> = {
  'gateway-conformance-web-backend/web-backend-cm': undefined,
  [`${infra}/tls-validity-checks-ca-certificate`]: `${infra}/tls-validity-checks-client-certificate`,
  [`${infra}/tls-validity-checks-per-port-ca-certificate`]: `${infra}/tls-validity-checks-per-port-client-certificate`,
  [`${infra}/tls-checks-ca-certificate`]: `${infra}/tls-checks-client-certificate`,
  [`${infra}/mismatch-ca-certificate`]: undefined,
};

/**
 * Creates the Secrets and ConfigMaps. All certificates of servers are of one authority, which clients trust: the tests show
 * which of them a listener presents by its names.
 */
export function createCertificates(lab: GatewayLab): string {
  const authority = new TestAuthority('conformance');
  const put = (key: string, issuer: TestAuthority, hosts: readonly string[]): void => {
    const [namespace = '', name = ''] = key.split('/');
    const pair = issuer.issue({ name: 'default', hosts });
    const encode = (text: string) => Buffer.from(text).toString('base64');
    lab.apply('Secret', {
      metadata: { namespace, name },
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': encode(pair.certificate), 'tls.key': encode(pair.key) },
    });
  };
  for (const [key, hosts] of Object.entries(secrets)) put(key, authority, hosts);
  for (const [key, client] of Object.entries(authorities)) {
    const [namespace = '', name = ''] = key.split('/');
    const own = name === 'tls-checks-ca-certificate' ? authority : new TestAuthority(name);
    lab.apply('ConfigMap', { metadata: { namespace, name }, data: { 'ca.crt': own.certificate } });
    if (client !== undefined) put(client, own, []);
  }
  return authority.certificate;
}
