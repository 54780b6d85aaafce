import type { AdmittedHost } from '../claims/hosts.ts';
import type { Backend } from '../haproxy/model.ts';
import type { KeyPair } from './certificate.ts';
import type { CertificateRefusal } from './certificate-book.ts';

/** A request with everything that HAProxy needs to serve it. */
export interface ServedSite extends AdmittedHost {
  /** Backends of the demand's groups, in their order. */
  readonly backends: readonly Backend[];
  readonly keyPair?: KeyPair;
  /** Why the default certificate is used instead of the requested one. */
  readonly certificateNote?: string;
  /** Names and contents of its own CA certificates for servers. */
  readonly authorities: ReadonlyMap<string, string>;
}

/** A request that is not served because of its certificates. */
export interface UnfitSite extends AdmittedHost {
  readonly refusal: CertificateRefusal;
}
