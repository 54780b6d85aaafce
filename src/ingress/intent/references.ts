import type { LoginUser } from './site-request.ts';

/**
 * State of certificates in an object that others refer to. `message` of an invalid one names the object and the
 * remedy, never its content.
 */
export type ReferenceState =
  | { readonly state: 'valid'; readonly pem: string }
  | { readonly state: 'invalid'; readonly message: string }
  /** The object has not been read yet. */
  | { readonly state: 'waiting' };

/** State of the users in a Secret. Messages quote neither names nor hashes. */
export type UsersState =
  | {
      readonly state: 'valid';
      readonly users: readonly LoginUser[];
      /** Why other users cannot log in. */
      readonly note?: string;
    }
  | { readonly state: 'invalid'; readonly message: string }
  /** The Secret has not been read yet. */
  | { readonly state: 'waiting' };

/**
 * How a Secret contains users: `file` is the key `auth` with lines `NAME:HASH`, as htpasswd writes them; `map` has a key
 * for each name.
 */
export type UsersFormat = 'file' | 'map';

/** Checks the content of objects that others refer to, each by `NAMESPACE/NAME`. */
export interface ReferenceChecks {
  /** CA certificates in a ConfigMap. `field` is the reference, for messages. */
  authorities(key: string, field: string): ReferenceState;
  /** Certificate, chain and key in a Secret, in one text. */
  keyPair(key: string, field: string): ReferenceState;
  /** CA certificates of clients in a Secret. Returns the same object until the Secret changes. */
  clients(key: string): ReferenceState;
  /** Users in a Secret. Returns the same object until the Secret changes. */
  users(key: string, format: UsersFormat): UsersState;
}

/** Returns the name under which the content of a ConfigMap is read and reported as changed. */
export function configMapKey(key: string): string {
  return `ConfigMap ${key}`;
}
