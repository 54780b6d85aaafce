import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';

/** A certificate with its key, both PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** What a certificate says. */
export interface CertificateWords {
  /** Common name of the subject. */
  readonly name: string;
  /** Organisation of the subject: a group, where Kubernetes reads it. */
  readonly organisation?: string;
  /** DNS names and addresses that it is for. */
  readonly hosts?: readonly string[];
  /** Default: an hour ago until in a day. */
  readonly from?: Date;
  readonly until?: Date;
  /** URI of a revocation list. */
  readonly revocationList?: string;
}

/**
 * A certificate authority for tests, with keys on P-256. Written here, since Node signs but makes no
 * certificates, and not every machine has openssl (RFC 5280, ITU-T X.690).
 */
export class TestAuthority {
  readonly #name: string;
  readonly #key: KeyObject;
  /** Its own certificate, PEM. */
  readonly certificate: string;

  constructor(name: string, until?: Date, revocationList?: string) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#name = name;
    this.#key = privateKey;
    const words = { name, ...(until && { until }), ...(revocationList !== undefined && { revocationList }) };
    this.certificate = build(words, publicKey, { name, key: privateKey }, true);
  }

  issue(words: CertificateWords): Certificate {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return {
      certificate: build(words, publicKey, { name: this.#name, key: this.#key }, false),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }
}

const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));

function build(
  words: CertificateWords,
  publicKey: KeyObject,
  issuer: { readonly name: string; readonly key: KeyObject },
  isAuthority: boolean,
): string {
  const now = Date.now();
  const { from = new Date(now - 3_600_000), until = new Date(now + 86_400_000) } = words;
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ecdsaWithSha256,
    subject(issuer.name),
    sequence(time(from), time(until)),
    subject(words.name, words.organisation),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions(words, isAuthority))),
  );
  // An authority's own key may come as one that Node made or read: both sign.
  const signature = sign('sha256', body, createPrivateKey(issuer.key.export({ type: 'pkcs8', format: 'pem' })));
  const der = sequence(body, ecdsaWithSha256, bits(signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function extensions({ hosts = [], revocationList }: CertificateWords, isAuthority: boolean): Buffer[] {
  const constraints = sequence(...(isAuthority ? [tagged(0x01, Buffer.from([0xff]))] : []));
  // keyCertSign and cRLSign, or digitalSignature.
  const usage = tagged(0x03, isAuthority ? Buffer.from([1, 0x06]) : Buffer.from([7, 0x80]));
  return [
    extension(0x13, true, constraints),
    extension(0x0f, true, usage),
    ...(hosts.length === 0 ? [] : [extension(0x11, false, sequence(...hosts.map(generalName)))]),
    ...(revocationList === undefined ? [] : [extension(0x1f, false, distributionPoint(revocationList))]),
  ];
}

function distributionPoint(uri: string): Buffer {
  const name = tagged(0xa0, tagged(0xa0, tagged(0x86, Buffer.from(uri))));
  return sequence(sequence(name));
}

function extension(last: number, isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? [tagged(0x01, Buffer.from([0xff]))] : [];
  return sequence(oid(0x55, 0x1d, last), ...critical, tagged(0x04, value));
}

function generalName(host: string): Buffer {
  if (isIPv4(host)) return tagged(0x87, Buffer.from(host.split('.').map(Number)));
  if (!isIPv6(host)) return tagged(0x82, Buffer.from(host));
  const [head = '', tail] = host.split('::');
  const words = (text: string | undefined): string[] => (text === undefined || text === '' ? [] : text.split(':'));
  const zeros = Array<string>(8 - words(head).length - words(tail).length).fill('0');
  const groups = [...words(head), ...zeros, ...words(tail)];
  return tagged(0x87, Buffer.from(groups.map((word) => word.padStart(4, '0')).join(''), 'hex'));
}

function subject(name: string, organisation?: string): Buffer {
  const part = (last: number, text: string): Buffer =>
    tagged(0x31, sequence(oid(0x55, 0x04, last), tagged(0x0c, Buffer.from(text))));
  return sequence(...(organisation === undefined ? [] : [part(0x0a, organisation)]), part(0x03, name));
}

/** UTCTime, two digits of the year. */
function time(date: Date): Buffer {
  return tagged(0x17, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function integer(value: Buffer): Buffer {
  return tagged(0x02, value);
}

function bits(value: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([0]), value]));
}

function oid(...octets: readonly number[]): Buffer {
  return tagged(0x06, Buffer.from(octets));
}

function tagged(tag: number, value: Buffer): Buffer {
  const { length } = value;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), value]);
  const hex = length.toString(16);
  const octets = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | octets.length]), octets, value]);
}
