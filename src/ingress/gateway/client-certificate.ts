import type { ReferenceChecks } from '../intent/references.ts';
import type { NamedPem } from '../intent/service-share.ts';
import type { Gateway } from './gateway.ts';
import { findMissingGrant, type ReferenceGrant } from './reference-grant.ts';
import type { Refusal } from './refusal.ts';

/** The certificate that a Gateway presents to its backends (`spec.tls.backend.clientCertificateRef`). */
export type ClientCertificate =
  | { readonly state: 'valid'; readonly certificate: NamedPem }
  | { readonly state: 'waiting' }
  | ({ readonly state: 'invalid' } & Refusal<'InvalidClientCertificateRef' | 'RefNotPermitted'>);

/** Returns the certificate that a Gateway presents to its backends, or undefined if it names none. */
export function checkClientCertificate(
  { meta, clientCertificate: ref }: Gateway,
  grants: readonly ReferenceGrant[],
  checks: ReferenceChecks,
): ClientCertificate | undefined {
  if (ref === undefined) return undefined;
  const { path, namespace, name, refusal } = ref;
  if (refusal !== undefined || namespace === undefined) {
    return { state: 'invalid', reason: 'InvalidClientCertificateRef', message: refusal ?? path };
  }
  const from = { kind: 'Gateway', namespace: meta.namespace };
  const missing = findMissingGrant(grants, from, { kind: 'Secret', namespace, name }, path);
  if (missing !== undefined) return { state: 'invalid', ...missing };
  const read = checks.keyPair(`${namespace}/${name}`, path);
  switch (read.state) {
    case 'waiting':
      return read;
    case 'invalid':
      return { ...read, reason: 'InvalidClientCertificateRef' };
    case 'valid':
      return {
        state: 'valid',
        certificate: { name: `${meta.namespace}:Gateway.${meta.name}`, pem: read.pem },
      };
  }
}
