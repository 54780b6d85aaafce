import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { formatProblem, type Parsed } from '../../base/model/problem.ts';
import type { Secret } from '../objects/secret.ts';
import type { HttpDemand, RouteTls } from '../route/http-demand.ts';
import type { Route } from '../route/route.ts';
import { checkAuthorities, checkKeyPair, type KeyLimits, type KeyPair, usualKeys } from './certificate.ts';

/** State of a Secret that a Route refers to. */
export type SecretState =
  | { readonly state: 'found'; readonly secret: Secret }
  /** Not received yet. */
  | { readonly state: 'waiting' }
  | { readonly state: 'missing' }
  | { readonly state: 'deleted' }
  /** The router may not read it (SubjectAccessReview). */
  | { readonly state: 'forbidden' };

/** Looks up a Secret by `NAMESPACE/NAME`. */
export type SecretLookup = (key: string) => SecretState;

/** Why the certificates of a Route prevent it from being served, with OpenShift's reasons. */
export interface CertificateRefusal {
  readonly reason:
    | 'ExtendedValidationFailed'
    | 'ExternalCertificateValidationFailed'
    | 'ExternalCertificateGetFailed'
    | 'ExternalCertificateSecretDeleted';
  readonly message: string;
}

/** Result of checking the certificates of a Route. */
export type CheckedCertificates =
  | { readonly ok: true; readonly keyPair?: KeyPair; readonly destinationCa?: string }
  | { readonly ok: false; readonly refusal: CertificateRefusal };

/** Maximum number of cached results, as many as Routes may have. */
const maxKept = 50_000;

/**
 * Checks certificates of Routes and caches the results, because many Routes contain the same certificate and a check
 * is slow.
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
   * @param before the certificate that the Route is served with. It stays in use until the Secret that the Route now
   * names has been read, so changing the Secret causes no interruption.
   */
  check(
    { meta }: Route,
    { tls }: HttpDemand,
    before?: { readonly keyPair?: KeyPair | undefined },
  ): CheckedCertificates {
    if (tls === undefined || tls.termination === 'passthrough') return { ok: true };
    const isOwn = tls.externalCertificate === undefined || this.#secrets === undefined;
    const pair = isOwn ? this.#checkOwn(tls) : this.#checkSecret(meta.namespace, tls, this.#secrets, before);
    if (pair !== undefined && !('keyPair' in pair)) return { ok: false, refusal: pair };
    const written = tls.destinationCaCertificate;
    const authorities = written === undefined ? undefined : this.#checkAuthorities(written);
    if (authorities !== undefined && !authorities.ok) {
      return { ok: false, refusal: refuse('ExtendedValidationFailed', authorities) };
    }
    return {
      ok: true,
      ...(pair !== undefined && { keyPair: pair.keyPair }),
      ...(authorities !== undefined && { destinationCa: authorities.value }),
    };
  }

  #checkOwn({
    certificate,
    key,
    caCertificate,
  }: RouteTls): { readonly keyPair: KeyPair } | CertificateRefusal | undefined {
    if (certificate === undefined) {
      if (key === undefined) return undefined;
      return {
        reason: 'ExtendedValidationFailed',
        message: 'spec.tls.certificate: must be set together with spec.tls.key',
      };
    }
    const read = this.#checkPair(certificate, key, caCertificate, {
      certificate: 'spec.tls.certificate',
      key: 'spec.tls.key',
      caCertificate: 'spec.tls.caCertificate',
    });
    return read.ok ? { keyPair: read.value } : refuse('ExtendedValidationFailed', read);
  }

  #checkSecret(
    namespace: string,
    { externalCertificate, caCertificate }: RouteTls,
    secrets: SecretLookup,
    before: { readonly keyPair?: KeyPair | undefined } | undefined,
  ): { readonly keyPair: KeyPair } | CertificateRefusal | undefined {
    const found = secrets(`${namespace}/${externalCertificate}`);
    const where = `spec.tls.externalCertificate "${externalCertificate}"`;
    switch (found.state) {
      case 'waiting':
        if (before !== undefined) return before.keyPair && { keyPair: before.keyPair };
        return { reason: 'ExternalCertificateGetFailed', message: `${where}: the Secret has not been read yet` };
      case 'missing':
        return {
          reason: 'ExternalCertificateGetFailed',
          message: `${where}: this Secret does not exist in the namespace of the Route`,
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
        const read = this.#checkPair(certificate, key, caCertificate, {
          certificate: `${where} tls.crt`,
          key: `${where} tls.key`,
          caCertificate: 'spec.tls.caCertificate',
        });
        return read.ok ? { keyPair: read.value } : refuse('ExternalCertificateValidationFailed', read);
      }
    }
  }

  #checkPair(
    certificate: string,
    key: string | undefined,
    caCertificate: string | undefined,
    paths: { readonly certificate: string; readonly key: string; readonly caCertificate: string },
  ): Parsed<KeyPair> {
    const parts = [certificate, key ?? '', caCertificate ?? '', paths.certificate];
    return remember(this.#pairs, parts, () =>
      attempt(paths.certificate, () =>
        checkKeyPair({
          certificate,
          paths,
          limits: this.#limits,
          ...(key !== undefined && { key }),
          ...(caCertificate !== undefined && { caCertificate }),
        }),
      ),
    );
  }

  #checkAuthorities(written: string): Parsed<string> {
    const path = 'spec.tls.destinationCACertificate';
    return remember(this.#authorities, [written], () =>
      attempt(path, () => checkAuthorities(written, path, this.#limits)),
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
