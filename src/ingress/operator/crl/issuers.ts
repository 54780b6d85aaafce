import { hash, type KeyObject, X509Certificate } from 'node:crypto';
import {
  contentOf,
  type DerExtension,
  derTags,
  readDer,
  readDerSequence,
  readExtensions,
} from '../../../base/read/der.ts';

/** An authority of client certificates, and where its revocation list is. */
export interface ListIssuer {
  /** Identifies its name and key. */
  readonly id: string;
  /** Its subject for people, on one line. */
  readonly title: string;
  /** Its subject in DER. */
  readonly subject: Buffer;
  readonly key: KeyObject;
  /** Whether its certificate allows it to sign lists (RFC 5280 §4.2.1.3). */
  readonly signsLists: boolean;
  /** Places of its list over http and https, which all have the same list. None beyond {@link maxUrls}. */
  readonly urls: readonly string[];
  /** Places that are not used, for example over ldap. */
  readonly otherPlaces: readonly string[];
}

/** What a bundle of authorities says about revocation lists. */
export type RevocationPlan =
  /** No certificate names a list. */
  | { readonly kind: 'none' }
  /**
   * Lists cannot be used, because HAProxy would refuse every client of an authority without one: it checks all
   * certificates of a chain, including the root.
   */
  | { readonly kind: 'unusable'; readonly uncovered: readonly ListIssuer[] }
  /** The list of every authority has a known place. */
  | { readonly kind: 'used'; readonly issuers: readonly ListIssuer[] };

/** Maximum number of places that are asked for the lists of one bundle. */
export const maxUrls = 16;

/** Maximum characters of a URL and of a title. */
const [longestUrl, longestTitle] = [2048, 200];

/** The agent rejects a bundle with more certificates. */
const maxCertificates = 100;

interface ParsedCertificate {
  readonly certificate: X509Certificate;
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly isOwnIssuer: boolean;
  readonly extensions: ReadonlyMap<string, DerExtension>;
  /** Places of the list that covers this certificate. */
  readonly places: readonly string[];
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const extensionIds = { keyUsage: '2.5.29.15', distributionPoints: '2.5.29.31' } as const;

/**
 * Decides how to use the revocation lists that the certificates of a PEM bundle name. The extension of a certificate
 * names the list of its issuer (RFC 5280 §4.2.1.13). Ignores expired certificates, because OpenSSL does not accept
 * their clients anyway.
 */
export function planRevocation(bundle: string, now = Date.now()): RevocationPlan {
  const certificates = (bundle.match(certificateBlock) ?? [])
    .slice(0, maxCertificates)
    .flatMap((text) => parseCertificate(text) ?? [])
    .filter(({ certificate }) => Date.parse(certificate.validTo) > now);
  if (certificates.every(({ places }) => places.length === 0)) return { kind: 'none' };
  const issuers = listIssuers(certificates);
  const uncovered = issuers.filter(({ urls }) => urls.length === 0);
  return uncovered.length > 0 ? { kind: 'unusable', uncovered } : { kind: 'used', issuers: limitUrls(issuers) };
}

/** Every authority gets its first place before another one gets its second. */
function limitUrls(issuers: readonly ListIssuer[]): readonly ListIssuer[] {
  let spare = maxUrls - Math.min(maxUrls, issuers.length);
  return issuers.map((issuer, index) => {
    if (index >= maxUrls) return { ...issuer, urls: [] };
    const urls = issuer.urls.slice(0, 1 + spare);
    spare -= urls.length - 1;
    return { ...issuer, urls };
  });
}

/** Returns undefined for a certificate that the agent rejects, too. */
function parseCertificate(text: string): ParsedCertificate | undefined {
  try {
    const certificate = new X509Certificate(text);
    const [body] = readDerSequence(certificate.raw);
    const values = readDer(contentOf(body, derTags.sequence));
    // TBSCertificate: [0] version, serialNumber, signature, issuer, validity, subject, …, [3] extensions.
    const at = values[0]?.tag === 0xa0 ? 1 : 0;
    const [issuer, subject] = [values[at + 2], values[at + 4]];
    if (issuer === undefined || subject === undefined) return undefined;
    const found = values.find(({ tag }) => tag === 0xa3);
    const list = found === undefined ? [] : readExtensions(found.content);
    const extensions = new Map(list.map((extension) => [extension.id, extension]));
    return {
      certificate,
      issuer: issuer.raw,
      subject: subject.raw,
      isOwnIssuer: issuer.raw.equals(subject.raw) && certificate.verify(certificate.publicKey),
      extensions,
      places: readPlaces(extensions.get(extensionIds.distributionPoints)),
    };
  } catch {
    return undefined;
  }
}

/** Returns the places of an extension cRLDistributionPoints; a text in parentheses for those that have no URL. */
function readPlaces(extension: DerExtension | undefined): readonly string[] {
  if (extension === undefined) return [];
  return readDerSequence(extension.value).flatMap(({ raw }) => {
    const parts = readDerSequence(raw);
    if (parts.some(({ tag }) => tag === 0xa2)) return ['(list of another issuer)'];
    if (parts.some(({ tag }) => tag === 0x81)) return ['(list of some reasons)'];
    const [name] = readDer(parts.find(({ tag }) => tag === 0xa0)?.content ?? Buffer.alloc(0));
    // fullName: [0] GeneralNames. Tag 0x86: uniformResourceIdentifier.
    if (name?.tag !== 0xa0) return ['(relative name)'];
    const uris = readDer(name.content).filter(({ tag }) => tag === 0x86);
    return uris.length === 0 ? ['(name without URL)'] : uris.map(({ content }) => content.toString('latin1'));
  });
}

function listIssuers(certificates: readonly ParsedCertificate[]): readonly ListIssuer[] {
  const issuers = new Map<string, ListIssuer>();
  for (const one of certificates) {
    const { certificate, subject, isOwnIssuer, extensions } = one;
    if (!certificate.ca && !isOwnIssuer) continue;
    const key = certificate.publicKey;
    const id = hash('sha256', Buffer.concat([subject, key.export({ type: 'spki', format: 'der' })]));
    // A renewed certificate of the same authority has the same list.
    if (issuers.has(id)) continue;
    const places = certificates
      .filter(({ issuer, certificate: signed }) => issuer.equals(subject) && isSignedBy(signed, key))
      .flatMap((signed) => signed.places);
    issuers.set(id, {
      id,
      title: certificate.subject.replaceAll('\n', ', ').slice(0, longestTitle),
      subject,
      key,
      signsLists: allowsLists(extensions.get(extensionIds.keyUsage)),
      urls: Array.from(new Set(places.filter(isUsable))),
      otherPlaces: Array.from(new Set(places.filter((place) => !isUsable(place)))).map(showPlace),
    });
  }
  return Array.from(issuers.values());
}

function isSignedBy(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.verify(key);
  } catch {
    return false;
  }
}

function isUsable(place: string): boolean {
  return /^https?:\/\//i.test(place) && place.length <= longestUrl && URL.canParse(place);
}

/** Returns a place for people, without control characters. */
export function showPlace(place: string): string {
  const printable = place.replace(/[^\x20-\x7e]/g, '?');
  return printable.length > 120 ? `${printable.slice(0, 117)}…` : printable;
}

/** Returns whether a keyUsage has the bit cRLSign, number 6. OpenSSL rejects a list of an authority without it. */
function allowsLists(usage: DerExtension | undefined): boolean {
  if (usage === undefined) return true;
  return ((contentOf(readDer(usage.value)[0], derTags.bitString)[1] ?? 0) & 0x02) !== 0;
}
