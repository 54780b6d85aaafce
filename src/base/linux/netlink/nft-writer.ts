import { littleEndian } from './attributes.ts';

/**
 * Writes nested attributes of nf_tables into one buffer, 32 bits at a time. An ADD writes five thousand of them with
 * code that has never run before; the package's streams allocate a buffer per part, which costs more than the
 * kernel's own work.
 */
export class NftWriter {
  #words = new Uint32Array(1024);
  #bytes = new Uint8Array(this.#words.buffer);
  /** Length in 32-bit words. */
  #length = 0;

  /**
   * Starts a nested attribute and returns the argument for {@link end}. NLA_F_NESTED is omitted, as in the kernel's
   * own messages.
   */
  begin(type: number): number {
    const start = this.#length;
    this.#reserve(1);
    this.#words[start] = type;
    this.#length = start + 1;
    return start;
  }

  /** Ends a nested attribute. */
  end(start: number): void {
    this.#words[start] = head(this.#words[start] ?? 0, (this.#length - start) * 4);
  }

  bytes(type: number, value: Uint8Array): void {
    const at = this.#length;
    const next = at + 1 + ((value.length + 3) >> 2);
    this.#reserve(next - at);
    this.#words[at] = head(type, 4 + value.length);
    // Zeroes the padding to 32 bits.
    this.#words[next - 1] = next - 1 === at ? (this.#words[at] ?? 0) : 0;
    this.#bytes.set(value, (at + 1) * 4);
    this.#length = next;
  }

  /** Writes 32 bits in network byte order, as nf_tables expects numbers. Negative numbers use two's complement. */
  number(type: number, value: number): void {
    const at = this.#length;
    this.#reserve(2);
    this.#words[at] = head(type, 8);
    this.#words[at + 1] = littleEndian ? swap(value) : value;
    this.#length = at + 2;
  }

  /** Writes a zero-terminated string. */
  text(type: number, value: string): void {
    this.bytes(type, Buffer.from(`${value}\0`));
  }

  /** Discards everything written. */
  clear(): void {
    this.#length = 0;
  }

  /** Returns everything written. Valid until the next {@link clear}. */
  take(): Buffer {
    return Buffer.from(this.#bytes.buffer, 0, this.#length * 4);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#words.length) return;
    const words = new Uint32Array(needed * 2);
    words.set(this.#words);
    this.#words = words;
    this.#bytes = new Uint8Array(words.buffer);
  }
}

/** `struct nlattr`: length and type, 16 bits each in host byte order. */
function head(type: number, length: number): number {
  return littleEndian ? (type << 16) | length : (length << 16) | type;
}

/** Returns a 32-bit number in the opposite byte order. */
function swap(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}
