import type { AdmittedHost } from '../claims/hosts.ts';
import type { Backend } from '../haproxy/model.ts';
import type { KeyPair } from './certificate.ts';
import type { CertificateRefusal } from './certificate-book.ts';

/** A Route with what HAProxy needs to serve it. */
export interface ServedRoute extends AdmittedHost {
  readonly backend: Backend;
  readonly keyPair?: KeyPair;
  /** Name and certificates that its servers are held to, where it brings its own. */
  readonly authority?: readonly [name: string, pem: string];
}

/** A Route whose certificates keep it from being served. */
export interface UnfitRoute extends AdmittedHost {
  readonly refusal: CertificateRefusal;
}
