import {
  checkDer,
  contentOf,
  type DerExtension,
  type DerValue,
  derTags,
  readDer,
  readDerSequence,
  readDerTime,
  readExtensions,
  readObjectIdentifier,
} from './der.ts';

/** A certificate revocation list: CertificateList of RFC 5280 §5.1. */
export interface RevocationList {
  /** The list in DER. */
  readonly der: Buffer;
  /** The signed part, TBSCertList, in DER. */
  readonly signed: Buffer;
  /** Name of the issuer in DER. */
  readonly issuer: Buffer;
  /** Object identifier of the signature algorithm. */
  readonly algorithm: string;
  readonly signature: Buffer;
  /** Milliseconds since 1970. */
  readonly thisUpdate: number;
  /** Milliseconds since 1970. Absent in lists that do not follow RFC 5280. */
  readonly nextUpdate: number | undefined;
  readonly extensions: readonly DerExtension[];
}

/** Parses a list in DER. Checks its structure, not its signature. Throws an Error. */
export function readRevocationList(der: Buffer): RevocationList {
  const [body, algorithm, signature, ...others] = readDerSequence(der);
  if (others.length > 0) throw new Error('the list has too many parts');
  const bits = contentOf(signature, derTags.bitString);
  if (bits[0] !== 0) throw new Error('the signature is not a number of octets');
  const signed = body?.raw ?? Buffer.alloc(0);
  const values = [...readDerSequence(signed)];
  const takeIf = (...tags: readonly number[]): DerValue | undefined =>
    values[0] !== undefined && tags.includes(values[0].tag) ? values.shift() : undefined;
  const version = takeIf(derTags.integer);
  if (version !== undefined && !version.content.equals(Buffer.from([1]))) throw new Error('the version is unknown');
  const algorithmOfBody = takeIf(derTags.sequence);
  if (algorithm === undefined || algorithmOfBody?.raw.equals(algorithm.raw) !== true) {
    throw new Error('the list names two signature algorithms');
  }
  const issuer = takeIf(derTags.sequence);
  if (issuer === undefined || issuer.content.length === 0) throw new Error('the list has no issuer');
  const thisUpdate = readDerTime(values.shift());
  const nextUpdate = takeIf(derTags.utcTime, derTags.generalizedTime);
  const revoked = takeIf(derTags.sequence);
  // What the entries say is read by OpenSSL only.
  if (revoked !== undefined) checkDer(revoked.content, derTags.sequence);
  const extensions = takeIf(0xa0);
  if (values.length > 0) throw new Error('the list has too many parts');
  if (extensions !== undefined && version === undefined) throw new Error('a list of version 1 has extensions');
  return {
    der,
    signed,
    issuer: issuer.raw,
    algorithm: readObjectIdentifier(readDer(algorithm.content)[0]),
    signature: bits.subarray(1),
    thisUpdate,
    nextUpdate: nextUpdate && readDerTime(nextUpdate),
    extensions: extensions === undefined ? [] : readExtensions(extensions.content),
  };
}

const block = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/g;

/**
 * Returns the lists in a PEM text (RFC 7468 §6); none for a text without blocks. Ignores text between blocks. Throws an
 * Error if a block is not a list.
 */
export function readRevocationLists(pem: string): readonly RevocationList[] {
  return Array.from(pem.matchAll(block), ([, base64 = '']) => readRevocationList(Buffer.from(base64, 'base64')));
}

/** Returns a list in PEM. */
export function writeRevocationList({ der }: Pick<RevocationList, 'der'>): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`;
}
