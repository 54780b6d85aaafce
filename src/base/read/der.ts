/** One value in the Distinguished Encoding Rules (ITU-T X.690). */
export interface DerValue {
  /** Identifier octet, for example 0x30 for a SEQUENCE. */
  readonly tag: number;
  readonly content: Buffer;
  /** Identifier, length and content. */
  readonly raw: Buffer;
}

/** Identifier octets of the types that certificates and revocation lists use. */
export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

/** Maximum number of values that {@link readDer} returns: small values would take a hundred times their size. */
const maxValues = 1000;

/**
 * Returns the values in `bytes`, one after the other. Throws an Error for anything but DER: an indefinite or longer
 * than necessary length, a tag number above 30, a value that ends outside, or more than 1000 values.
 */
export function readDer(bytes: Buffer): readonly DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { tag, start, end } = readHeader(bytes, at);
    if (values.length === maxValues) throw new Error('there are too many values');
    values.push({ tag, content: bytes.subarray(start, end), raw: bytes.subarray(at, end) });
    at = end;
  }
  return values;
}

/** Checks that `bytes` are values of one type, any number of them. Throws an Error. */
export function checkDer(bytes: Buffer, tag: number): void {
  for (let at = 0; at < bytes.length; ) {
    const header = readHeader(bytes, at);
    if (header.tag !== tag) throw new Error(`type 0x${tag.toString(16)} expected, not 0x${header.tag.toString(16)}`);
    at = header.end;
  }
}

/** Returns the values in a SEQUENCE that is all of `bytes`. Throws an Error. */
export function readDerSequence(bytes: Buffer): readonly DerValue[] {
  const [value, ...others] = readDer(bytes);
  if (others.length > 0) throw new Error('bytes follow the value');
  return readDer(contentOf(value, derTags.sequence));
}

/** Returns the content of a value of this type. Throws an Error for another type or none. */
export function contentOf(value: DerValue | undefined, tag: number): Buffer {
  if (value?.tag !== tag) {
    throw new Error(`type 0x${tag.toString(16)} expected, not ${value ? `0x${value.tag.toString(16)}` : 'the end'}`);
  }
  return value.content;
}

/** Reads identifier and length of the value at `at`. Its content is from `start` to `end`. */
function readHeader(bytes: Buffer, at: number): { readonly tag: number; readonly start: number; readonly end: number } {
  const [tag, first] = [bytes[at], bytes[at + 1]];
  if (tag === undefined || first === undefined) throw new Error('a value is incomplete');
  if ((tag & 0x1f) === 0x1f) throw new Error('a tag number is above 30');
  let [start, length] = [at + 2, first];
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4 || start + count > bytes.length) throw new Error('a length is invalid');
    length = bytes.readUIntBE(start, count);
    start += count;
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw new Error('a length is longer than necessary');
  }
  const end = start + length;
  if (end > bytes.length) throw new Error('a value is incomplete');
  return { tag, start, end };
}

/** Returns an OBJECT IDENTIFIER as numbers with dots. Throws an Error. */
export function readObjectIdentifier(value: DerValue | undefined): string {
  const content = contentOf(value, derTags.objectIdentifier);
  const numbers: number[] = [];
  let number = 0;
  for (const octet of content) {
    if (number === 0 && octet === 0x80) throw new Error('an object identifier is longer than necessary');
    number = number * 128 + (octet & 0x7f);
    if (number > 2 ** 40) throw new Error('a number of an object identifier is too large');
    if ((octet & 0x80) !== 0) continue;
    numbers.push(number);
    number = 0;
  }
  const [head, ...others] = numbers;
  if (head === undefined || ((content.at(-1) ?? 0x80) & 0x80) !== 0)
    throw new Error('an object identifier is incomplete');
  const root = Math.min(2, Math.floor(head / 40));
  return [root, head - 40 * root, ...others].join('.');
}

/** Returns a UTCTime or GeneralizedTime in milliseconds since 1970 (RFC 5280 §4.1.2.5). Throws an Error. */
export function readDerTime(value: DerValue | undefined): number {
  const isUtc = value?.tag === derTags.utcTime;
  const text = contentOf(value, isUtc ? derTags.utcTime : derTags.generalizedTime).toString('latin1');
  const match = (isUtc ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
    text,
  );
  if (match === null) throw new Error('a time is not in UTC with seconds');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const date = new Date(0);
  date.setUTCFullYear(isUtc ? year + (year < 50 ? 2000 : 1900) : year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  if (!isReal || minute > 59 || second > 59) throw new Error('a time does not exist');
  return date.getTime();
}

/** An extension of a certificate or a revocation list (RFC 5280 §4.1). */
export interface DerExtension {
  readonly id: string;
  readonly isCritical: boolean;
  /** The value in DER. */
  readonly value: Buffer;
}

/** Returns the extensions in a SEQUENCE that is all of `bytes`. Throws an Error, also if one is there twice. */
export function readExtensions(bytes: Buffer): readonly DerExtension[] {
  const extensions = readDerSequence(bytes).map(({ raw }) => {
    const [id, ...rest] = readDerSequence(raw);
    const isCritical = rest[0]?.tag === derTags.boolean;
    if (isCritical && !rest[0]?.content.equals(Buffer.from([0xff]))) throw new Error('a BOOLEAN is not in DER');
    const [value, ...others] = rest.slice(isCritical ? 1 : 0);
    if (others.length > 0) throw new Error('an extension has too many parts');
    return { id: readObjectIdentifier(id), isCritical, value: contentOf(value, derTags.octetString) };
  });
  if (new Set(extensions.map(({ id }) => id)).size < extensions.length) throw new Error('an extension is there twice');
  return extensions;
}
