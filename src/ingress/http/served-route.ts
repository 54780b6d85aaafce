import type { AdmittedHost } from '../claims/hosts.ts';
import type { Backend } from '../haproxy/model.ts';
import type { KeyPair } from './certificate.ts';
import type { CertificateRefusal } from './certificate-book.ts';

/** A Route with everything that HAProxy needs to serve it. */
export interface ServedRoute extends AdmittedHost {
  readonly backend: Backend;
  readonly keyPair?: KeyPair;
  /** Name and content of its own destination CA, if it has one. */
  readonly authority?: readonly [name: string, pem: string];
}

/** A Route that is not served because of its certificates. */
export interface UnfitRoute extends AdmittedHost {
  readonly refusal: CertificateRefusal;
}
