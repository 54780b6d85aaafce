import type { X509Certificate } from 'node:crypto';

/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  /** For example `CERTIFICATE`. */
  readonly label: string;
  /** The block in normalized form: lines of 64 characters, without surrounding text. */
  readonly text: string;
  readonly der: Buffer;
}

/** Maximum number of blocks in one text. */
const maxBlocks = 100;

/** Parses PEM and ignores text between blocks. Returns undefined for anything else. */
export function readPem(text: string): readonly PemBlock[] | undefined {
  const blocks: PemBlock[] = [];
  let open: { readonly label: string; readonly start: number } | undefined;
  // One pass over all marks: searching the end of each beginning would take minutes for a text with many beginnings.
  for (const { 0: mark, 1: word, 2: label = '', index } of text.matchAll(/-----(BEGIN|END) ([A-Z0-9 ]{1,60})-----/g)) {
    if (word === 'BEGIN') {
      if (open?.label === label) return undefined;
      open = { label, start: index + mark.length };
      continue;
    }
    if (open?.label !== label) continue;
    const base64 = text.slice(open.start, index).replace(/\s/g, '');
    open = undefined;
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || blocks.length === maxBlocks) return undefined;
    const lines = base64.match(/.{1,64}/g) ?? [];
    const whole = `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
    blocks.push({ label, text: whole, der: Buffer.from(base64, 'base64') });
  }
  return blocks.length === 0 ? undefined : blocks;
}

/** Object identifiers of broken signature algorithms with MD2, MD5 and SHA-1 (RFC 8017, RFC 5758, RFC 3279). */
const weakSignatures = [
  '1.2.840.113549.1.1.2',
  '1.2.840.113549.1.1.4',
  '1.2.840.113549.1.1.5',
  '1.2.840.10045.4.1',
  '1.2.840.10040.4.3',
];

/** Returns whether a certificate is signed with MD2, MD5 or SHA-1 (RFC 5280 §4.1.1.2). */
export function hasWeakSignature({ signatureAlgorithmOid }: X509Certificate): boolean {
  return weakSignatures.includes(signatureAlgorithmOid);
}
