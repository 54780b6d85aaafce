import { type Address, addressFromBytes, type Family } from '../../base/model/address.ts';

/** Record types (RFC 1035 §3.2.2, RFC 3596 §2.1, RFC 6891 §6.1.1). */
const types = { a: 1, cname: 5, soa: 6, aaaa: 28, opt: 41 } as const;
const internet = 1;

/** Advertised UDP payload size in bytes, which avoids fragmentation (RFC 9715 §3). */
const udpSize = 1232;

/** Response codes (RFC 1035 §4.1.1). */
export const responseCodes = { noError: 0, formatError: 1, serverFailure: 2, nameError: 3, refused: 5 } as const;

/** Returns the record type of a family's addresses. */
export function typeOf(family: Family): number {
  return family === 4 ? types.a : types.aaaa;
}

/**
 * Writes a recursive query (RFC 1035 §4.1).
 *
 * @param name a validated DNS name
 * @param withExtension whether to offer larger answers (EDNS, RFC 6891), which some old servers reject
 */
export function writeQuery(id: number, name: string, family: Family, withExtension: boolean): Buffer {
  const labels = name.split('.').map((label) => {
    const bytes = Buffer.from(label, 'latin1');
    return Buffer.concat([Buffer.of(bytes.length), bytes]);
  });
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id, 0);
  // Recursion desired.
  head.writeUInt16BE(0x0100, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(withExtension ? 1 : 0, 10);
  const question = Buffer.alloc(4);
  question.writeUInt16BE(typeOf(family), 0);
  question.writeUInt16BE(internet, 2);
  const extension = Buffer.from([0, 0, types.opt, udpSize >> 8, udpSize & 0xff, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...labels, Buffer.of(0), question, ...(withExtension ? [extension] : [])]);
}

/** A record in the answer to an address query. */
export type DnsRecord =
  | { readonly kind: 'address'; readonly owner: string; readonly ttl: number; readonly address: Address }
  | { readonly kind: 'alias'; readonly owner: string; readonly ttl: number; readonly target: string };

/** The parts of a response that a query for addresses needs. */
export interface DnsResponse {
  readonly id: number;
  readonly isTruncated: boolean;
  readonly code: number;
  /** Name in lower case. Some servers omit the question in errors. */
  readonly question: { readonly name: string; readonly type: number } | undefined;
  /** Addresses and aliases in the answer section. Other records are skipped. */
  readonly records: readonly DnsRecord[];
  /** Seconds for which a negative answer may be cached (RFC 2308 §5). */
  readonly negativeTtl: number | undefined;
}

/** Parses a response. Returns undefined for anything that is not a well-formed response to a query. */
export function readResponse(bytes: Buffer): DnsResponse | undefined {
  try {
    return new Reader(bytes).readResponse();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** More records than any answer of 64 KiB can hold. */
const mostRecords = 6000;

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  readResponse(): DnsResponse | undefined {
    const [id, flags, questions, answers, authorities] = [
      this.#word(),
      this.#word(),
      this.#word(),
      this.#word(),
      this.#word(),
    ];
    this.#word();
    const isResponse = (flags & 0x8000) !== 0 && (flags & 0x7800) === 0;
    if (!isResponse || questions > 1 || answers + authorities > mostRecords) return undefined;
    const question = questions === 0 ? undefined : this.#question();
    const isTruncated = (flags & 0x0200) !== 0;
    const head = { id, isTruncated, code: flags & 0xf, question };
    // The client retries a truncated response over TCP.
    if (isTruncated) return { ...head, records: [], negativeTtl: undefined };
    const records: DnsRecord[] = [];
    for (let count = 0; count < answers; count++) {
      const record = this.#record();
      if (typeof record === 'object') records.push(record);
    }
    let negativeTtl: number | undefined;
    for (let count = 0; count < authorities; count++) {
      const record = this.#record();
      if (typeof record === 'number') negativeTtl = record;
    }
    return { ...head, records, negativeTtl };
  }

  #word(): number {
    const value = this.#bytes.readUInt16BE(this.#at);
    this.#at += 2;
    return value;
  }

  #question(): { name: string; type: number } {
    const name = this.#name();
    const type = this.#word();
    if (this.#word() !== internet) throw new RangeError('class');
    return { name, type };
  }

  /** Returns an address or alias, the negative TTL of an SOA record, or undefined for other records. */
  #record(): DnsRecord | number | undefined {
    const owner = this.#name();
    const type = this.#word();
    const kind = this.#word();
    const written = this.#bytes.readUInt32BE(this.#at);
    // A TTL with the highest bit set is treated as zero (RFC 2181 §8).
    const ttl = written > 0x7fffffff ? 0 : written;
    const length = this.#bytes.readUInt16BE(this.#at + 4);
    const start = this.#at + 6;
    const end = start + length;
    if (end > this.#bytes.length) throw new RangeError('length');
    this.#at = end;
    if (kind !== internet) return undefined;
    if (type === types.a || type === types.aaaa) {
      if (length !== (type === types.a ? 4 : 16)) throw new RangeError('address');
      return { kind: 'address', owner, ttl, address: addressFromBytes(this.#bytes.subarray(start, end)) };
    }
    if (type === types.cname) return { kind: 'alias', owner, ttl, target: this.#nameAt(start).name };
    if (type === types.soa && length >= 20) return Math.min(ttl, this.#bytes.readUInt32BE(end - 4));
    return undefined;
  }

  #name(): string {
    const { name, end } = this.#nameAt(this.#at);
    this.#at = end;
    return name;
  }

  /** Reads a name. Compression pointers must point backwards (RFC 1035 §4.1.4), so that they cannot form a loop. */
  #nameAt(start: number): { readonly name: string; readonly end: number } {
    const labels: string[] = [];
    let at = start;
    let end: number | undefined;
    let lowest = start;
    let characters = 0;
    for (;;) {
      const length = this.#bytes.readUInt8(at);
      if (length >= 0xc0) {
        const target = this.#bytes.readUInt16BE(at) & 0x3fff;
        end ??= at + 2;
        if (target >= lowest) throw new RangeError('pointer');
        lowest = target;
        at = target;
        continue;
      }
      if (length > 63) throw new RangeError('label');
      at += 1 + length;
      if (at > this.#bytes.length) throw new RangeError('label');
      if (length === 0) return { name: labels.join('.'), end: end ?? at };
      characters += length + 1;
      if (characters > 254) throw new RangeError('name');
      labels.push(lowerCase(this.#bytes.subarray(at - length, at)));
    }
  }
}

/** Lowercases ASCII letters only (RFC 4343). A dot inside a label is escaped, so that it does not separate labels. */
function lowerCase(label: Buffer): string {
  return label
    .toString('latin1')
    .replaceAll('.', '\\.')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
