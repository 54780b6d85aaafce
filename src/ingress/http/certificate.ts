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

/** Certificate and key as their author wrote them, with the paths for messages. */
export interface WrittenKeyPair {
  readonly certificate: string;
  readonly key?: string;
  readonly caCertificate?: string;
  readonly paths: { readonly certificate: string; readonly key: string; readonly caCertificate: string };
  /** Absent: {@link usualKeys}. */
  readonly limits?: KeyLimits;
}

/** Which keys certificates may be for. A handshake costs HAProxy one private operation, on the thread that serves everybody. */
export interface KeyLimits {
  /** Most bits of an RSA modulus. */
  readonly rsaBits: number;
  /** Elliptic curves by OpenSSL's name; `ed25519` and `ed448` too. */
  readonly curves: ReadonlySet<string>;
}

/** RSA-4096 costs five times as much as RSA-2048, RSA-8192 thirty times; other curves are no faster than these. */
export const usualKeys: KeyLimits = {
  rsaBits: 4096,
  curves: new Set(['secp224r1', 'prime256v1', 'secp384r1', 'secp521r1', 'ed25519', 'ed448']),
};

/** OpenSSL itself accepts no larger exponent with a modulus of more than 3072 bits (`OPENSSL_RSA_MAX_PUBEXP_BITS`). */
const largestExponent = 2n ** 64n;

const keyLabels = ['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY'];
/** Blocks that tools write next to keys and that are not needed. */
const ignoredLabels = ['EC PARAMETERS', 'DH PARAMETERS'];

/**
 * Checks a certificate and its key as OpenShift's extended validation does (reference: l7): PEM that can be
 * read, leaf first, a key that fits, no MD5 or SHA-1 but on what signs itself, and with a CA a chain that
 * leads to it; expiry and host names are not looked at. No problem repeats what was written.
 */
export function checkKeyPair({
  certificate,
  key,
  caCertificate,
  paths,
  limits = usualKeys,
}: WrittenKeyPair): Parsed<KeyPair> {
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
  // First: what follows computes with the keys.
  const unfit = findUnfitKey(chain, paths.certificate, limits);
  if (unfit !== undefined) return { ok: false, problems: [unfit] };
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
    const read = readAuthorities(caCertificate, paths.caCertificate, limits);
    if (!read.ok) return read;
    authorities = read.value;
    if (!leadsTo(leaf, chain.slice(1), authorities)) {
      return fail(paths.caCertificate, 'must be the authority that signed the certificate, or its chain');
    }
  }
  const pem = [keyBlock, ...chain, ...authorities].map(({ text }) => text).join('');
  const expires = Date.parse(leaf.x509.validTo);
  return { ok: true, value: { pem, fingerprint: leaf.x509.fingerprint256, expires } };
}

/** Checks CA certificates and returns normalized PEM. */
export function checkAuthorities(written: string, path: string, limits = usualKeys): Parsed<string> {
  const read = readAuthorities(written, path, limits);
  return read.ok ? { ok: true, value: read.value.map(({ text }) => text).join('') } : read;
}

interface ReadCertificate extends PemBlock {
  readonly x509: X509Certificate;
}

function readAuthorities(written: string, path: string, limits: KeyLimits): Parsed<readonly ReadCertificate[]> {
  const blocks = readPem(written);
  const read = blocks?.every(({ label }) => label === 'CERTIFICATE') === true ? readCertificates(blocks) : undefined;
  if (read === undefined || read.length === 0) return fail(path, 'must be certificates in PEM, and nothing else');
  const weak = findUnfitKey(read, path, limits) ?? findWeak(read, path);
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
 * The first key that is too weak, too costly or of a kind that ends no handshake. OpenSSL shows no certificate
 * whose key is weaker than 112 bits (level 2, which distributions set), and each that came as far as HAProxy
 * would cost a reload.
 */
function findUnfitKey(certificates: readonly ReadCertificate[], path: string, limits: KeyLimits): Problem | undefined {
  for (const certificate of certificates) {
    const found = describeUnfitKey(certificate, limits);
    if (found !== undefined) return { path, value: `(${found.seen})`, cure: found.cure };
  }
  return undefined;
}

/** What key was seen, and what it must be; undefined where it is fit. */
function describeUnfitKey(
  certificate: ReadCertificate,
  { rsaBits, curves }: KeyLimits,
): { readonly seen: string; readonly cure: string } | undefined {
  const key = publicKeyOf(certificate);
  const kinds = `RSA of 2048 to ${rsaBits} bits, or one of ${[...curves].join(', ')}`;
  if (key === undefined) return { seen: 'a key of an unknown kind', cure: `must have a key of ${kinds}` };
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails: details } = key;
  switch (type) {
    case 'rsa':
    case 'rsa-pss': {
      const bits = details?.modulusLength ?? 0;
      if (bits < 2048 || bits > rsaBits) {
        const cure = `must have keys of at least 2048 bits and at most ${rsaBits} (RSA); administrators can allow more with --max-rsa-bits`;
        return { seen: `an RSA key of ${bits} bits`, cure };
      }
      if ((details?.publicExponent ?? 0n) < largestExponent) return undefined;
      return { seen: 'an RSA key with a large exponent', cure: 'must have the exponent 65537' };
    }
    case 'ec': {
      const curve = details?.namedCurve ?? 'without a name';
      if (curves.has(curve)) return undefined;
      const cure = `must have a key of ${kinds}; administrators can allow others with --key-curves`;
      return { seen: `a key on the curve ${curve}`, cure };
    }
    default:
      if (curves.has(type)) return undefined;
      return { seen: `a ${type.toUpperCase()} key`, cure: `must have a key of ${kinds}, as TLS clients do` };
  }
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
