import {
  configMapKey,
  type ReferenceChecks,
  type ReferenceState,
  type UsersFormat,
  type UsersState,
} from '../intent/references.ts';
import type { Secret } from '../objects/secret.ts';
import type { KeyLimits } from './certificate.ts';
import { CertificateBook, type SecretLookup } from './certificate-book.ts';
import { readUsers } from './login-users.ts';

/** Maximum number of users of a namespace: every start of HAProxy computes the hashes of all. */
const mostOfNamespace = 200;

const waiting = { state: 'waiting' } as const;
const absent = { state: 'invalid', message: 'this Secret does not exist' } as const;
const forbidden = {
  state: 'invalid',
  message: 'the router may not read this Secret; allow its service account to get, list and watch it',
} as const;

/** Checks certificates in ConfigMaps and Secrets, and users in Secrets. */
export class CertificateReferences implements ReferenceChecks {
  readonly #lookup: SecretLookup;
  readonly #book: CertificateBook;
  readonly #users = new WeakMap<Secret, Map<UsersFormat, UsersState>>();
  readonly #clients = new WeakMap<Secret, ReferenceState>();
  /** Number of users by key of their Secret. */
  readonly #claims = new Map<string, number>();

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

  clients(key: string): ReferenceState {
    return this.#withSecret(key, (secret) => {
      const known = this.#clients.get(secret) ?? this.#readClients(secret);
      this.#clients.set(secret, known);
      return known;
    });
  }

  #readClients({ values }: Secret): ReferenceState {
    const pem = values.get('ca.crt') ?? '';
    if (pem.trim() === '') return { state: 'invalid', message: 'this Secret has no ca.crt' };
    if ((values.get('ca.crl') ?? '').trim() !== '')
      return { state: 'invalid', message: 'this Secret has a revocation list (ca.crl), which is not supported' };
    const read = this.#book.checkAuthorities({ pem, field: 'ca.crt' });
    return read.ok ? { state: 'valid', pem: read.pem } : { state: 'invalid', message: read.refusal.message };
  }

  users(key: string, format: UsersFormat): UsersState {
    return this.#withSecret(key, (secret) => {
      const known = this.#users.get(secret) ?? new Map<UsersFormat, UsersState>();
      this.#users.set(secret, known);
      const users = known.get(format) ?? this.#claim(key, readUsers(secret, format));
      known.set(format, users);
      return users;
    });
  }

  /** Calls a function with a Secret, or returns why there is none. */
  #withSecret<T>(key: string, read: (secret: Secret) => T): T | typeof waiting | typeof absent | typeof forbidden {
    const found = this.#lookup(key);
    switch (found.state) {
      case 'waiting':
        return waiting;
      case 'forbidden':
        return forbidden;
      case 'found':
        return read(found.secret);
      default:
        return absent;
    }
  }

  /** Claims room for the users of a Secret, which are rejected if its namespace has too many. */
  #claim(key: string, state: UsersState): UsersState {
    this.#claims.delete(key);
    if (state.state !== 'valid') return state;
    const namespace = key.slice(0, key.indexOf('/') + 1);
    let others = 0;
    for (const [other, count] of this.#claims) {
      if (!other.startsWith(namespace)) continue;
      if (this.#lookup(other).state === 'found') others += count;
      else this.#claims.delete(other);
    }
    if (others + state.users.length > mostOfNamespace) {
      const message = `the Secrets of this namespace contain more than ${mostOfNamespace} users; remove some, and write this Secret again`;
      return { state: 'invalid', message };
    }
    this.#claims.set(key, state.users.length);
    return state;
  }
}
