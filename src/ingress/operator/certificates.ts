import { createPrivateKey, X509Certificate } from 'node:crypto';

/** A certificate and its private key, PEM. `certificate` may be followed by its issuer's. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

const day = 86_400_000;
/** Milliseconds. Leaf certificates are replaced early, so that there is time to notice failing replacements. */
const lifetimes = { authority: 3650 * day, leaf: 730 * day, authorityMargin: 800 * day, leafMargin: 60 * day };

/** Returns a key pair of a Secret. Undefined if a part is missing or they do not belong together. */
export function readKeyPair(data: Readonly<Record<string, unknown>>): KeyPair | undefined {
  const [certificate, key] = [decode(data['tls.crt']), decode(data['tls.key'])];
  if (certificate === undefined || key === undefined) return undefined;
  try {
    const isPair = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
    return isPair ? { certificate, key } : undefined;
  } catch {
    return undefined;
  }
}

/** Decodes a value of a Secret. */
export function decode(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? Buffer.from(value, 'base64').toString('utf8') : undefined;
}

/** Encodes a value of a Secret. */
export function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Whether a key pair can sign certificates now. */
export function isAuthority({ certificate }: KeyPair): boolean {
  return new X509Certificate(certificate).ca;
}

/** Whether an authority is valid for longer than a certificate that it signs today. */
export function isDurable({ certificate }: KeyPair, now = Date.now()): boolean {
  return Date.parse(new X509Certificate(certificate).validTo) - now > lifetimes.authorityMargin;
}

/** Whether a certificate was signed by the authority for all names, and is not about to expire. */
export function isCurrent(pair: KeyPair, authority: KeyPair, names: readonly string[], now = Date.now()): boolean {
  const [leaf, issuer] = [new X509Certificate(pair.certificate), new X509Certificate(authority.certificate)];
  const present = leaf.subjectAltName?.split(', ') ?? [];
  return (
    leaf.checkIssued(issuer) &&
    leaf.verify(issuer.publicKey) &&
    names.every((name) => present.includes(`DNS:${name}`)) &&
    Date.parse(leaf.validTo) - now > lifetimes.leafMargin
  );
}

/** Whether a certificate of this domain has only a legacy common name, which Go programs reject. */
export function hasOnlyCommonName(certificate: string, domain: string): boolean {
  try {
    const { subject, subjectAltName = '' } = new X509Certificate(certificate);
    const names = subjectAltName.split(', ');
    return subject.split('\n').includes(`CN=*.${domain}`) && !names.includes(`DNS:*.${domain}`);
  } catch {
    return false;
  }
}

const keys = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

/** Creates a certificate authority. */
export async function createAuthority(now = Date.now()): Promise<KeyPair> {
  // Imported on demand, because it is needed once per cluster.
  const { generate } = await import('selfsigned');
  const { cert, private: key } = await generate(
    [{ name: 'commonName', value: `ingress-operator@${Math.floor(now / 1000)}` }],
    {
      ...keys,
      notBeforeDate: new Date(now - day),
      notAfterDate: new Date(now + lifetimes.authority),
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      ],
    },
  );
  return { certificate: `${cert.trim()}\n`, key: `${key.trim()}\n` };
}

/**
 * Creates a certificate of a server, followed by the authority's certificate.
 *
 * @param names DNS names, at least one
 */
export async function createCertificate(
  authority: KeyPair,
  names: readonly string[],
  now = Date.now(),
): Promise<KeyPair> {
  const { generate } = await import('selfsigned');
  const [first = ''] = names;
  const { cert, private: key } = await generate(
    // A common name has at most 64 characters (RFC 5280, appendix A).
    [{ name: 'commonName', value: first.length <= 64 ? first : 'ingress router' }],
    {
      ...keys,
      notBeforeDate: new Date(now - day),
      notAfterDate: new Date(now + lifetimes.leaf),
      ca: { key: authority.key, cert: authority.certificate },
      extensions: [
        { name: 'basicConstraints', cA: false, critical: true },
        { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
        { name: 'extKeyUsage', serverAuth: true },
        { name: 'subjectAltName', altNames: names.map((value) => ({ type: 2, value })) },
      ],
    },
  );
  return { certificate: `${cert.trim()}\n${authority.certificate}`, key: `${key.trim()}\n` };
}
