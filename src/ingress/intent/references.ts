/**
 * State of certificates in an object that others refer to. `message` of an invalid one names the object and the
 * remedy, never its content.
 */
export type ReferenceState =
  | { readonly state: 'valid'; readonly pem: string }
  | { readonly state: 'invalid'; readonly message: string }
  /** The object has not been read yet. */
  | { readonly state: 'waiting' };

/** Checks the content of objects with certificates, each by `NAMESPACE/NAME`. */
export interface ReferenceChecks {
  /** CA certificates in a ConfigMap. `field` is the reference, for messages. */
  authorities(key: string, field: string): ReferenceState;
  /** Certificate, chain and key in a Secret, in one text. */
  keyPair(key: string, field: string): ReferenceState;
}

/** Returns the name under which the content of a ConfigMap is read and reported as changed. */
export function configMapKey(key: string): string {
  return `ConfigMap ${key}`;
}
