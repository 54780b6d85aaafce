import type { ClientVerification } from '../intent/listener.ts';
import { configMapKey, type ReferenceChecks } from '../intent/references.ts';
import type { AuthorityRef } from './backend-tls-policy.ts';
import type { ClientValidation } from './frontend-validation.ts';
import type { Gateway } from './gateway.ts';
import { findMissingGrant, isReferenceGranted, type ReferenceGrant } from './reference-grant.ts';
import type { Refusal } from './refusal.ts';

/** The decision about client certificates on one port. */
export interface DecidedValidation {
  /** Absent: no connection may be accepted. */
  readonly clients?: ClientVerification;
  readonly refusal?: Refusal<'NoValidCACertificate' | 'UnsupportedValue'>;
  readonly unresolved?: Refusal<'InvalidCACertificateRef' | 'InvalidCACertificateKind' | 'RefNotPermitted'>;
  /** A ConfigMap has not been read yet. */
  readonly isWaiting?: true;
}

/** Returns the setting for HTTPS listeners on a port. */
function validationOf(
  { clientValidation }: Pick<Gateway, 'clientValidation'>,
  port: number,
): ClientValidation | undefined {
  if (clientValidation === undefined) return undefined;
  const { perPort, usual } = clientValidation;
  return perPort.has(port) ? perPort.get(port) : usual;
}

/**
 * Decides about client certificates on HTTPS listeners of a port. Undefined: none are asked for.
 *
 * @param checks absent: the content of ConfigMaps is not checked
 */
export function decideValidation(
  gateway: Pick<Gateway, 'meta' | 'clientValidation'>,
  port: number,
  grants: readonly ReferenceGrant[],
  checks: ReferenceChecks | undefined,
): DecidedValidation | undefined {
  const validation = validationOf(gateway, port);
  if (validation === undefined) return undefined;
  const { name, authorities, isOptional, refusal } = validation;
  if (refusal !== undefined) return { refusal: { reason: 'UnsupportedValue', message: refusal } };
  const read = authorities.map((ref) => checkRef(gateway, ref, grants, checks));
  const bad = read.find((one) => one.state === 'invalid');
  const unresolved = bad && { reason: bad.reason, message: bad.message };
  if (read.some(({ state }) => state === 'waiting')) return { isWaiting: true };
  const pem = read.map((one) => (one.state === 'valid' ? one.pem : '')).join('');
  if (read.every(({ state }) => state !== 'valid')) {
    const message = unresolved?.message ?? 'spec.tls.frontend: caCertificateRefs must name a ConfigMap';
    return { refusal: { reason: 'NoValidCACertificate', message }, ...(unresolved && { unresolved }) };
  }
  const clients = { name: `${gateway.meta.uid}/${name}`, pem, ...(isOptional && { isOptional: true as const }) };
  return { clients, ...(unresolved && { unresolved }) };
}

type CheckedRef =
  | { readonly state: 'valid'; readonly pem: string }
  | { readonly state: 'waiting' }
  | ({ readonly state: 'invalid' } & NonNullable<DecidedValidation['unresolved']>);

function checkRef(
  { meta }: Pick<Gateway, 'meta'>,
  { path, namespace, name, refusal }: AuthorityRef,
  grants: readonly ReferenceGrant[],
  checks: ReferenceChecks | undefined,
): CheckedRef {
  if (refusal !== undefined || namespace === undefined || name === undefined) {
    const reason = refusal?.reason === 'InvalidKind' ? 'InvalidCACertificateKind' : 'InvalidCACertificateRef';
    return { state: 'invalid', reason, message: refusal?.message ?? path };
  }
  const from = { kind: 'Gateway', namespace: meta.namespace };
  const missing = findMissingGrant(grants, from, { kind: 'ConfigMap', namespace, name }, path);
  if (missing !== undefined) return { state: 'invalid', ...missing };
  if (checks === undefined) return { state: 'valid', pem: '' };
  const read = checks.authorities(`${namespace}/${name}`, path);
  return read.state === 'invalid' ? { ...read, reason: 'InvalidCACertificateRef' } : read;
}

/** Returns whether a Gateway admits clients without a valid certificate although it asks for one. */
export function hasInsecureFallback({ clientValidation }: Gateway): boolean {
  return [clientValidation?.usual, ...(clientValidation?.perPort.values() ?? [])].some(
    (one) => one?.isOptional === true && one.refusal === undefined,
  );
}

/** Returns the keys of the ConfigMaps that verify clients of Gateways, as far as these may refer to them. */
export function listClientReferences(
  gateways: Iterable<Gateway>,
  grants: readonly ReferenceGrant[],
): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const { meta, clientValidation } of gateways) {
    const from = { kind: 'Gateway', namespace: meta.namespace };
    for (const one of [clientValidation?.usual, ...(clientValidation?.perPort.values() ?? [])]) {
      for (const { namespace, name } of one?.authorities ?? []) {
        if (namespace === undefined || name === undefined) continue;
        if (isReferenceGranted(grants, from, { kind: 'ConfigMap', namespace, name }))
          keys.add(configMapKey(`${namespace}/${name}`));
      }
    }
  }
  return keys;
}
