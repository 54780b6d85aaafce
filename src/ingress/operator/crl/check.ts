import { verify } from 'node:crypto';
import { type DerExtension, derTags, readDerSequence } from '../../../base/read/der.ts';
import { type RevocationList, readRevocationList, readRevocationLists } from '../../../base/read/revocation-list.ts';
import type { ListIssuer } from './issuers.ts';

/** A list that is valid until `nextUpdate`. */
export interface ValidList extends RevocationList {
  readonly nextUpdate: number;
}

/** Signature algorithms by object identifier, with the type of their keys. Neither SHA-1 nor MD5. */
const algorithms: ReadonlyMap<string, readonly [digest: string | null, keyType: string]> = new Map([
  ['1.2.840.113549.1.1.11', ['sha256', 'rsa']],
  ['1.2.840.113549.1.1.12', ['sha384', 'rsa']],
  ['1.2.840.113549.1.1.13', ['sha512', 'rsa']],
  ['1.2.840.10045.4.3.2', ['sha256', 'ec']],
  ['1.2.840.10045.4.3.3', ['sha384', 'ec']],
  ['1.2.840.10045.4.3.4', ['sha512', 'ec']],
  ['1.3.101.112', [null, 'ed25519']],
]);

const extensionIds = { delta: '2.5.29.27', scope: '2.5.29.28' } as const;

/** Parses a downloaded list in DER or PEM. Throws an Error. */
export function readDownload(body: Buffer): RevocationList {
  if (body[0] === derTags.sequence) return readRevocationList(body);
  const [list, ...others] = readRevocationLists(body.toString('latin1'));
  if (list === undefined) throw new Error('the answer is not a list in DER or PEM');
  if (others.length > 0) throw new Error('the answer has several lists');
  return list;
}

/**
 * Checks that a list is complete, was signed by the issuer, and is valid at `now` (RFC 5280 §6.3.3). HAProxy's OpenSSL
 * would refuse every client of the issuer otherwise. Throws an Error.
 */
export function checkList(list: RevocationList, issuer: ListIssuer, now = Date.now()): ValidList {
  const { nextUpdate } = list;
  if (!list.issuer.equals(issuer.subject)) throw new Error('the list is of another issuer');
  if (!issuer.signsLists) throw new Error('the keyUsage of the authority lacks cRLSign');
  if (!isSigned(list, issuer)) throw new Error('the signature is not of the authority');
  for (const extension of list.extensions) checkExtension(extension);
  if (list.thisUpdate > now) throw new Error(`the list is valid only from ${formatTime(list.thisUpdate)}`);
  if (nextUpdate === undefined) throw new Error('the list has no nextUpdate');
  if (nextUpdate <= now) throw new Error(`the list expired at ${formatTime(nextUpdate)}`);
  return { ...list, nextUpdate };
}

/** Formats milliseconds since 1970, without fractions of a second. */
export function formatTime(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}

function isSigned({ algorithm, signed, signature }: RevocationList, { key }: ListIssuer): boolean {
  const known = algorithms.get(algorithm);
  if (known === undefined) throw new Error(`the signature algorithm ${algorithm} is not supported`);
  const [digest, keyType] = known;
  if (key.asymmetricKeyType !== keyType) return false;
  try {
    return verify(digest, signed, key, signature);
  } catch {
    return false;
  }
}

function checkExtension({ id, isCritical, value }: DerExtension): void {
  if (id === extensionIds.delta) throw new Error('a delta list is not supported');
  if (id !== extensionIds.scope) {
    if (isCritical) throw new Error(`the critical extension ${id} is not supported`);
    return;
  }
  // IssuingDistributionPoint: everything but the name of the place limits the list, or makes it one of other issuers.
  const parts = readDerSequence(value).filter(({ tag }) => tag !== 0xa0);
  if (parts.some(({ tag }) => tag === 0x84)) throw new Error('an indirect list is not supported');
  if (parts.length > 0) throw new Error('a list of only some certificates or reasons is not supported');
}
