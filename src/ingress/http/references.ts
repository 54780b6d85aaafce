import { configMapKey, type ReferenceChecks, type ReferenceState } from '../intent/references.ts';
import type { KeyLimits } from './certificate.ts';
import { CertificateBook, type SecretLookup } from './certificate-book.ts';

/** Checks certificates in ConfigMaps and Secrets. */
export class CertificateReferences implements ReferenceChecks {
  readonly #lookup: SecretLookup;
  readonly #book: CertificateBook;

  /** @param limits for the keys of every certificate */
  constructor(lookup: SecretLookup, limits?: KeyLimits) {
    this.#lookup = lookup;
    this.#book = new CertificateBook(lookup, limits);
  }

  authorities(key: string, field: string): ReferenceState {
    const found = this.#lookup(configMapKey(key));
    const invalid = (problem: string): ReferenceState => ({ state: 'invalid', message: `${field} ${key}: ${problem}` });
    switch (found.state) {
      case 'waiting':
        return { state: 'waiting' };
      case 'forbidden':
        return invalid('the router may not read this ConfigMap; allow its service account to get, list and watch it');
      case 'configMap': {
        if (found.authorities === undefined || found.authorities.trim() === '') return invalid('has no ca.crt');
        const read = this.#book.checkAuthorities({ pem: found.authorities, field: `${field} ${key} ca.crt` });
        return read.ok ? { state: 'valid', pem: read.pem } : { state: 'invalid', message: read.refusal.message };
      }
      default:
        return invalid('this ConfigMap does not exist');
    }
  }

  keyPair(key: string, field: string): ReferenceState {
    const slash = key.indexOf('/');
    const certificate = { from: 'secret' as const, name: key.slice(slash + 1), field };
    const tls = { end: 'router' as const, plain: 'reject' as const, certificate };
    const read = this.#book.checkCertificate(key.slice(0, slash), tls);
    if (read.ok) return { state: 'valid', pem: read.keyPair?.pem ?? '' };
    const { message, isWaiting } = read.refusal;
    return isWaiting ? { state: 'waiting' } : { state: 'invalid', message };
  }
}
