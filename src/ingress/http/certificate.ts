import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Parsed, Problem } from '../../base/model/problem.ts';
import { hasWeakSignature, type PemBlock, readPem } from './pem.ts';

/** A validated key with its certificate and chain. */
export interface KeyPair {
  /** Key, certificate, intermediates and CA in one file, as HAProxy expects them. */
  readonly pem: string;
  /** SHA-256 fingerprint of the certificate. */
  readonly fingerprint: string;
  /** Expiry of the certificate in milliseconds since 1970. */
  readonly expires: number;
}

/** Certificate and key as received, with their paths for messages. */
export interface WrittenKeyPair {
  readonly certificate: string;
  readonly key?: string;
  readonly caCertificate?: string;
  readonly paths: { readonly certificate: string; readonly key: string; readonly caCertificate: string };
  /** Absent: {@link usualKeys}. */
  readonly limits?: KeyLimits;
}

/**
 * Allowed keys of certificates. Each handshake costs HAProxy one private key operation on a thread that serves all
 * tenants.
 */
export interface KeyLimits {
  /** Maximum bits of an RSA modulus. */
  readonly rsaBits: number;
  /** Elliptic curves by OpenSSL's name, including `ed25519` and `ed448`. */
  readonly curves: ReadonlySet<string>;
}

/** RSA-4096 costs five times as much as RSA-2048, RSA-8192 thirty times. Other curves are no faster than these. */
export const usualKeys: KeyLimits = {
  rsaBits: 4096,
  curves: new Set(['secp224r1', 'prime256v1', 'secp384r1', 'secp521r1', 'ed25519', 'ed448']),
};

/** OpenSSL rejects larger exponents with a modulus of more than 3072 bits (`OPENSSL_RSA_MAX_PUBEXP_BITS`). */
const largestExponent = 2n ** 64n;

const keyLabels = ['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY'];
/** Blocks that tools add to keys and that are not needed. */
const ignoredLabels = ['EC PARAMETERS', 'DH PARAMETERS'];

/**
 * Validates a certificate and its key as OpenShift's extended validation does: readable PEM, leaf first, a matching
 * key, no MD5 or SHA-1 except in self-signed certificates, and a chain to the CA if there is one. Expiry and host
 * names are not checked. Problems never quote the input.
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
  if (chain === undefined || leaf === undefined) return fail(paths.certificate, 'must be a valid certificate');
  // Checked first, because the following steps compute with the keys.
  const unfit = findUnfitKey(chain, paths.certificate, limits);
  if (unfit !== undefined) return { ok: false, problems: [unfit] };
  const keyBlock = key === undefined ? keys[0] : readPem(key)?.find(({ label }) => keyLabels.includes(label));
  const keyPath = key === undefined ? paths.certificate : paths.key;
  if (keyBlock === undefined)
    return fail(paths.key, 'must be the private key of the certificate, in PEM, without a passphrase');
  const keyObject = readKey(keyBlock.text);
  if (keyObject === undefined) return fail(keyPath, 'must be a valid private key without a passphrase');
  if (!fits(leaf, keyObject)) return fail(keyPath, 'must match the certificate, which must be the first of its chain');
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

/** Validates CA certificates and returns normalized PEM. */
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
  if (read === undefined || read.length === 0) return fail(path, 'must contain only certificates in PEM');
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

/** Returns the public key of a certificate, or undefined for an unsupported kind, such as Brainpool curves. */
function publicKeyOf({ x509 }: ReadCertificate): KeyObject | undefined {
  try {
    return x509.publicKey;
  } catch {
    return undefined;
  }
}

/**
 * Returns the first key that is too weak, too costly or unusable in a handshake. OpenSSL rejects certificates with
 * keys weaker than 112 bits (level 2, the default of distributions), and each that reached HAProxy would cost a
 * reload.
 */
function findUnfitKey(certificates: readonly ReadCertificate[], path: string, limits: KeyLimits): Problem | undefined {
  for (const certificate of certificates) {
    const found = describeUnfitKey(certificate, limits);
    if (found !== undefined) return { path, value: `(${found.seen})`, cure: found.cure };
  }
  return undefined;
}

/** Describes an unsuitable key and what is required. Returns undefined if the key is suitable. */
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
        const cure = `must have RSA keys of 2048 to ${rsaBits} bits; administrators can raise the limit with --max-rsa-bits`;
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
      return { seen: `a ${type.toUpperCase()} key`, cure: `must have a key of ${kinds}, which TLS clients support` };
  }
}

function fits({ x509 }: ReadCertificate, key: KeyObject): boolean {
  try {
    return x509.checkPrivateKey(key);
  } catch {
    return false;
  }
}

/** Maximum number of signatures to verify. Chains have a few, and the author of a Route controls the cost of each. */
const maxSignatures = 200;

/** Returns whether a chain of signatures leads from a certificate over intermediates to an authority. */
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
  // Visits each certificate once, including those found on the way.
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
