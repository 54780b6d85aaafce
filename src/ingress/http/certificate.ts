import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Parsed, Problem } from '../../base/model/problem.ts';
import { hasWeakSignature, type PemBlock, readPem } from './pem.ts';

/** A key with its certificate and chain, checked. */
export interface KeyPair {
  /** Key, certificate, intermediates and CA, as HAProxy reads them from one file. */
  readonly pem: string;
  /** Of the certificate, SHA-256. */
  readonly fingerprint: string;
  /** When the certificate expires, in milliseconds since 1970. */
  readonly expires: number;
}

/** What is to be checked, as its author wrote it, with the paths under which problems are told. */
export interface WrittenKeyPair {
  readonly certificate: string;
  readonly key?: string;
  readonly caCertificate?: string;
  readonly paths: { readonly certificate: string; readonly key: string; readonly caCertificate: string };
}

const keyLabels = ['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY'];
/** What tools write beside keys, and nobody needs. */
const ignoredLabels = ['EC PARAMETERS', 'DH PARAMETERS'];

/**
 * Checks a certificate and its key as OpenShift's extended validation does (reference: l7): PEM that can be
 * read, leaf first, a key that fits, no MD5 or SHA-1 but on what signs itself, and with a CA a chain that
 * leads to it; expiry and host names are not looked at. No problem repeats what was written.
 */
export function checkKeyPair({ certificate, key, caCertificate, paths }: WrittenKeyPair): Parsed<KeyPair> {
  const blocks = readPem(certificate);
  if (blocks === undefined) return fail(paths.certificate, 'must be a certificate in PEM');
  const keys = blocks.filter(({ label }) => keyLabels.includes(label));
  const others = blocks.filter(
    ({ label }) => label !== 'CERTIFICATE' && ![...keyLabels, ...ignoredLabels].includes(label),
  );
  if (others.length > 0) return fail(paths.certificate, 'must have only blocks of type CERTIFICATE and PRIVATE KEY');
  const chain = readCertificates(blocks);
  const leaf = chain?.[0];
  if (chain === undefined || leaf === undefined)
    return fail(paths.certificate, 'must be a certificate that can be read');
  const keyBlock = key === undefined ? keys[0] : readPem(key)?.find(({ label }) => keyLabels.includes(label));
  const keyPath = key === undefined ? paths.certificate : paths.key;
  if (keyBlock === undefined)
    return fail(paths.key, 'must be the private key of the certificate, in PEM, without a passphrase');
  const keyObject = readKey(keyBlock.text);
  if (keyObject === undefined) return fail(keyPath, 'must be a private key that can be read, without a passphrase');
  if (!fits(leaf, keyObject)) return fail(keyPath, 'must fit the certificate, which comes first of its chain');
  const weak = findWeak(chain, paths.certificate);
  if (weak !== undefined) return { ok: false, problems: [weak] };
  let authorities: readonly ReadCertificate[] = [];
  if (caCertificate !== undefined) {
    const read = readAuthorities(caCertificate, paths.caCertificate);
    if (!read.ok) return read;
    authorities = read.value;
    if (!leadsTo(leaf, chain.slice(1), authorities)) {
      return fail(paths.caCertificate, 'must be the authority that signed the certificate, or its chain');
    }
  }
  const unfit = chain.some(hasUnfitKey) ? paths.certificate : paths.caCertificate;
  if ([...chain, ...authorities].some(hasUnfitKey)) {
    return fail(
      unfit,
      'must have keys that can be read, of at least 2048 bits (RSA) or 224 bits (EC), as HAProxy needs them',
    );
  }
  const pem = [keyBlock, ...chain, ...authorities].map(({ text }) => text).join('');
  const expires = Date.parse(leaf.x509.validTo);
  return { ok: true, value: { pem, fingerprint: leaf.x509.fingerprint256, expires } };
}

/** Checks certificates of authorities; their PEM, written anew. */
export function checkAuthorities(written: string, path: string): Parsed<string> {
  const read = readAuthorities(written, path);
  return read.ok ? { ok: true, value: read.value.map(({ text }) => text).join('') } : read;
}

interface ReadCertificate extends PemBlock {
  readonly x509: X509Certificate;
}

function readAuthorities(written: string, path: string): Parsed<readonly ReadCertificate[]> {
  const blocks = readPem(written);
  const read = blocks?.every(({ label }) => label === 'CERTIFICATE') === true ? readCertificates(blocks) : undefined;
  if (read === undefined || read.length === 0) return fail(path, 'must be certificates in PEM, and nothing else');
  const weak = findWeak(read, path);
  return weak === undefined ? { ok: true, value: read } : { ok: false, problems: [weak] };
}

function readCertificates(blocks: readonly PemBlock[]): readonly ReadCertificate[] | undefined {
  try {
    const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE');
    return certificates.map((block) => ({ ...block, x509: new X509Certificate(block.text) }));
  } catch {
    return undefined;
  }
}

function readKey(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    return undefined;
  }
}

function findWeak(certificates: readonly ReadCertificate[], path: string): Problem | undefined {
  const weak = certificates.some(({ x509 }) => hasWeakSignature(x509) && x509.subject !== x509.issuer);
  const cure = 'must not be signed with MD5 or SHA-1: sign it with SHA-256 or better';
  return weak ? { path, value: '(a certificate)', cure } : undefined;
}

/** The key that a certificate is for; undefined for a kind that this program does not know, such as curves of Brainpool. */
function publicKeyOf({ x509 }: ReadCertificate): KeyObject | undefined {
  try {
    return x509.publicKey;
  } catch {
    return undefined;
  }
}

/**
 * Whether OpenSSL would not show a certificate for its key, at the level that distributions set (2: as
 * hard to break as 112 bits). Each that came as far as HAProxy would cost a reload, and many all of them.
 */
function hasUnfitKey(certificate: ReadCertificate): boolean {
  const key = publicKeyOf(certificate);
  if (key === undefined) return true;
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ec') return Number(/\d{3}/.exec(details?.namedCurve ?? '')?.[0] ?? 224) < 224;
  return (type === 'rsa' || type === 'rsa-pss' || type === 'dsa') && (details?.modulusLength ?? 2048) < 2048;
}

function fits({ x509 }: ReadCertificate, key: KeyObject): boolean {
  try {
    return x509.checkPrivateKey(key);
  } catch {
    return false;
  }
}

/** More signatures than these are not checked: a chain has a few, and whoever writes a Route chooses how long each takes. */
const maxSignatures = 200;

/** Whether a chain of signatures leads from a certificate, by intermediates, to an authority. */
function leadsTo(
  leaf: ReadCertificate,
  intermediates: readonly ReadCertificate[],
  authorities: readonly ReadCertificate[],
): boolean {
  let left = maxSignatures;
  const isSigner = (signer: ReadCertificate, signed: ReadCertificate): boolean => {
    if (!signed.x509.checkIssued(signer.x509) || left-- <= 0) return false;
    const key = publicKeyOf(signer);
    return key !== undefined && signed.x509.verify(key);
  };
  // Each once, those included that are found on the way.
  const reached = new Set([leaf]);
  for (const end of reached) {
    if (authorities.some((one) => one.der.equals(end.der) || isSigner(one, end))) return true;
    for (const one of intermediates) if (!reached.has(one) && isSigner(one, end)) reached.add(one);
  }
  return false;
}

function fail(path: string, cure: string): { readonly ok: false; readonly problems: readonly Problem[] } {
  return { ok: false, problems: [{ path, value: '(hidden)', cure }] };
}
