/** An unvalidated PEM text, with its field for messages. */
export interface PemText {
  readonly pem: string;
  readonly field: string;
}

/** The source of a certificate. `chain` is appended to it. */
export type CertificateSource =
  | {
      readonly from: 'text';
      readonly certificate: PemText;
      readonly key?: PemText;
      readonly chain?: PemText;
      /** Fields of certificate and key, for messages about a missing one. */
      readonly fields: { readonly certificate: string; readonly key: string };
    }
  | {
      readonly from: 'secret';
      /** Name of a Secret of type kubernetes.io/tls. */
      readonly name: string;
      /** The Secret's namespace. Absent: that of the owner. The source has checked that the reference is allowed. */
      readonly namespace?: string;
      readonly field: string;
      readonly chain?: PemText;
      /** Uses the default certificate while the Secret is missing or invalid, and reports that in the status. */
      readonly isOptional?: true;
    };
