import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { formatProblem, type Parsed } from '../../base/model/problem.ts';
import type { CertificateSource, PemText } from '../intent/certificate-source.ts';
import type { SiteTls } from '../intent/site-request.ts';
import type { Secret } from '../objects/secret.ts';
import { checkAuthorities, checkKeyPair, type KeyLimits, type KeyPair, usualKeys } from './certificate.ts';

/** State of a Secret or ConfigMap that an object refers to. */
export type SecretState =
  | { readonly state: 'found'; readonly secret: Secret }
  /** A ConfigMap, with its value of `ca.crt`. */
  | { readonly state: 'configMap'; readonly authorities: string | undefined }
  /** Not received yet. */
  | { readonly state: 'waiting' }
  | { readonly state: 'missing' }
  | { readonly state: 'deleted' }
  /** The router may not read it (SubjectAccessReview). */
  | { readonly state: 'forbidden' };

/** Looks up a Secret by `NAMESPACE/NAME`, or a ConfigMap by `ConfigMap NAMESPACE/NAME`. */
export type SecretLookup = (key: string) => SecretState;

/** Why the certificates of a request prevent it from being served, with OpenShift's reasons. */
export interface CertificateRefusal {
  readonly reason:
    | 'ExtendedValidationFailed'
    | 'ExternalCertificateValidationFailed'
    | 'ExternalCertificateGetFailed'
    | 'ExternalCertificateSecretDeleted';
  readonly message: string;
  /** The Secret has not been read yet, which says nothing about it. */
  readonly isWaiting?: true;
}

/** Result of checking the certificate of a request. */
export type CheckedCertificate =
  /** `note`: why the default certificate is used instead of the requested one. */
  | { readonly ok: true; readonly keyPair?: KeyPair; readonly note?: string }
  | { readonly ok: false; readonly refusal: CertificateRefusal };

/** Result of checking CA certificates. */
export type CheckedAuthorities =
  | { readonly ok: true; readonly pem: string }
  | { readonly ok: false; readonly refusal: CertificateRefusal };

/** Maximum number of cached results, enough for all objects. */
const maxKept = 50_000;

/**
 * Checks certificates and caches the results, because many objects contain the same certificate and a check is slow.
 */
export class CertificateBook {
  readonly #secrets: SecretLookup | undefined;
  readonly #pairs = new LRUCache<string, Parsed<KeyPair>>({ max: maxKept });
  readonly #authorities = new LRUCache<string, Parsed<string>>({ max: maxKept });

  readonly #limits: KeyLimits;

  /**
   * @param secrets absent: Secrets are not used
   * @param limits for the keys of every certificate
   */
  constructor(secrets: SecretLookup | undefined, limits = usualKeys) {
    this.#secrets = secrets;
    this.#limits = limits;
  }

  /**
   * Checks the certificate of a request. Without TLS at the router, or without a certificate of its own, there is
   * nothing to check.
   *
   * @param before the certificate that the request is served with. It stays in use until the Secret that the object now
   * names has been read, so changing the Secret causes no interruption.
   */
  checkCertificate(
    namespace: string,
    tls: SiteTls | undefined,
    before?: { readonly keyPair?: KeyPair | undefined },
  ): CheckedCertificate {
    const source = tls?.end === 'router' ? tls.certificate : undefined;
    if (source === undefined) return { ok: true };
    const pair =
      source.from === 'text'
        ? this.#checkText(source)
        : this.#secrets && this.#checkSecret(namespace, source, this.#secrets, before);
    if (pair !== undefined && !('keyPair' in pair)) {
      if (source.from !== 'secret' || source.isOptional !== true) return { ok: false, refusal: pair };
      return { ok: true, note: `${pair.message}; the default certificate is used` };
    }
    return { ok: true, ...(pair !== undefined && { keyPair: pair.keyPair }) };
  }

  /** Checks CA certificates for servers. */
  checkAuthorities({ pem, field }: PemText): CheckedAuthorities {
    const read = remember(this.#authorities, [pem, field], () =>
      attempt(field, () => checkAuthorities(pem, field, this.#limits)),
    );
    return read.ok ? { ok: true, pem: read.value } : { ok: false, refusal: refuse('ExtendedValidationFailed', read) };
  }

  #checkText({
    certificate,
    key,
    chain,
    fields,
  }: Extract<CertificateSource, { from: 'text' }>): { readonly keyPair: KeyPair } | CertificateRefusal {
    const read = this.#checkPair(certificate.pem, key?.pem, chain, fields);
    return read.ok ? { keyPair: read.value } : refuse('ExtendedValidationFailed', read);
  }

  #checkSecret(
    namespace: string,
    { name, field, chain }: Extract<CertificateSource, { from: 'secret' }>,
    secrets: SecretLookup,
    before: { readonly keyPair?: KeyPair | undefined } | undefined,
  ): { readonly keyPair: KeyPair } | CertificateRefusal | undefined {
    const found = secrets(`${namespace}/${name}`);
    const where = `${field} "${name}"`;
    switch (found.state) {
      case 'waiting':
        if (before !== undefined) return before.keyPair && { keyPair: before.keyPair };
        return {
          reason: 'ExternalCertificateGetFailed',
          message: `${where}: the Secret has not been read yet`,
          isWaiting: true,
        };
      case 'configMap':
      case 'missing':
        return {
          reason: 'ExternalCertificateGetFailed',
          message: `${where}: this Secret does not exist in the namespace of the object`,
        };
      case 'deleted':
        return { reason: 'ExternalCertificateSecretDeleted', message: `${where}: the Secret was deleted` };
      case 'forbidden':
        return {
          reason: 'ExternalCertificateValidationFailed',
          message: `${where}: the router may not read this Secret; allow its service account to get, list and watch it`,
        };
      case 'found': {
        const { type, certificate, key } = found.secret;
        if (type !== 'kubernetes.io/tls') {
          const message = `${where}: the Secret must be of type kubernetes.io/tls`;
          return { reason: 'ExternalCertificateValidationFailed', message };
        }
        const fields = { certificate: `${where} tls.crt`, key: `${where} tls.key` };
        const read = this.#checkPair(certificate, key, chain, fields);
        return read.ok ? { keyPair: read.value } : refuse('ExternalCertificateValidationFailed', read);
      }
    }
  }

  #checkPair(
    certificate: string,
    key: string | undefined,
    chain: PemText | undefined,
    fields: { readonly certificate: string; readonly key: string },
  ): Parsed<KeyPair> {
    const parts = [certificate, key ?? '', chain?.pem ?? '', fields.certificate];
    // Without a chain, no message names its field.
    const paths = { ...fields, caCertificate: chain?.field ?? '' };
    return remember(this.#pairs, parts, () =>
      attempt(fields.certificate, () =>
        checkKeyPair({
          certificate,
          paths,
          limits: this.#limits,
          ...(key !== undefined && { key }),
          ...(chain !== undefined && { caCertificate: chain.pem }),
        }),
      ),
    );
  }
}

/** Limits an exception of a library to one certificate, so that other Routes do not have to wait. */
function attempt<T>(path: string, check: () => Parsed<T>): Parsed<T> {
  try {
    return check();
  } catch {
    return { ok: false, problems: [{ path, value: '(hidden)', cure: 'must be valid certificates' }] };
  }
}

function remember<T extends object>(known: LRUCache<string, T>, parts: readonly string[], make: () => T): T {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(`${part.length} `).update(part);
  const key = digest.digest('base64');
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}

function refuse(
  reason: CertificateRefusal['reason'],
  { problems }: Extract<Parsed<unknown>, { ok: false }>,
): CertificateRefusal {
  return { reason, message: problems.map(formatProblem).join('; ') };
}
