/** `NFT_META_*`: what of a packet is looked at besides its bytes. */
const metaKeys = { protocol: 1, incoming: 6, transport: 16 } as const;
/** `NFT_PAYLOAD_*_HEADER`. */
const headers = { link: 0, network: 1, transport: 2 } as const;
const register = 1;
/** `NF_DROP`, `NF_ACCEPT`. */
const verdicts = { drop: 0, accept: 1 } as const;

/** An attribute: its type, its bytes, padded to 32 bits. */
export function writeAttribute(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  const head = Buffer.from(new Uint16Array([length, type]).buffer);
  return Buffer.concat([head, ...parts, Buffer.alloc(-length & 3)]);
}

/** A zero-terminated text. */
export function writeTextAttribute(type: number, text: string): Buffer {
  return writeAttribute(type, Buffer.from(`${text}\0`));
}

/** A number in network order, as nf_tables wants them. */
export function writeNumberAttribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return writeAttribute(type, bytes);
}

/** Attributes within one, without NLA_F_NESTED: so the kernel writes them itself, and both can be compared. */
export function writeNested(type: number, ...parts: readonly Buffer[]): Buffer {
  return writeAttribute(type, ...parts);
}

/** A condition or a consequence, as the kernel has it: part of a rule. */
export type NftExpression = Buffer;

function expression(name: string, ...data: readonly Buffer[]): NftExpression {
  return writeNested(1, writeTextAttribute(1, name), writeNested(2, ...data));
}

function compare(value: Uint8Array, not: boolean): NftExpression {
  return expression(
    'cmp',
    writeNumberAttribute(1, register),
    writeNumberAttribute(2, not ? 1 : 0),
    writeNested(3, writeAttribute(1, value)),
  );
}

/** Bytes of a packet, at an offset of one of its headers, are these, or are not. */
export function matchBytes(
  header: keyof typeof headers,
  offset: number,
  value: Uint8Array,
  { not = false } = {},
): NftExpression[] {
  const load = expression(
    'payload',
    writeNumberAttribute(1, register),
    writeNumberAttribute(2, headers[header]),
    writeNumberAttribute(3, offset),
    writeNumberAttribute(4, value.length),
  );
  return [load, compare(value, not)];
}

/** Something about a packet has this value, or has not. */
export function matchMeta(key: keyof typeof metaKeys, value: Uint8Array, { not = false } = {}): NftExpression[] {
  const load = expression('meta', writeNumberAttribute(1, register), writeNumberAttribute(2, metaKeys[key]));
  return [load, compare(value, not)];
}

/** The name of a link as the kernel compares it. */
export function linkNameBytes(name: string): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.write(name);
  return bytes;
}

/** What happens to a packet that met all conditions before. */
export function decide(verdict: keyof typeof verdicts): NftExpression {
  return expression(
    'immediate',
    writeNumberAttribute(1, 0),
    writeNested(2, writeNested(2, writeNumberAttribute(1, verdicts[verdict]))),
  );
}

/** Counts packets, for people to see. */
export function count(): NftExpression {
  return expression('counter');
}
