import { littleEndian } from './attributes.ts';

/**
 * Writes attributes of nf_tables, one within another, into one buffer, 32 bits at once: an ADD writes five
 * thousand of them with code that has never run before. The package's own streams make buffers of every
 * part, which costs more than the kernel takes for the whole.
 */
export class NftWriter {
  #words = new Uint32Array(1024);
  #bytes = new Uint8Array(this.#words.buffer);
  /** In words. */
  #length = 0;

  /** Begins an attribute with others within; returns what {@link end} wants. Without NLA_F_NESTED, as the kernel writes them. */
  begin(type: number): number {
    const start = this.#length;
    this.#reserve(1);
    this.#words[start] = type;
    this.#length = start + 1;
    return start;
  }

  /** Ends the attribute that began there. */
  end(start: number): void {
    this.#words[start] = head(this.#words[start] ?? 0, (this.#length - start) * 4);
  }

  bytes(type: number, value: Uint8Array): void {
    const at = this.#length;
    const next = at + 1 + ((value.length + 3) >> 2);
    this.#reserve(next - at);
    this.#words[at] = head(type, 4 + value.length);
    // What pads it to 32 bits.
    this.#words[next - 1] = next - 1 === at ? (this.#words[at] ?? 0) : 0;
    this.#bytes.set(value, (at + 1) * 4);
    this.#length = next;
  }

  /** 32 bits in network order, as nf_tables wants numbers; of a negative one its two's complement. */
  number(type: number, value: number): void {
    const at = this.#length;
    this.#reserve(2);
    this.#words[at] = head(type, 8);
    this.#words[at + 1] = littleEndian ? swap(value) : value;
    this.#length = at + 2;
  }

  /** A zero-terminated text. */
  text(type: number, value: string): void {
    this.bytes(type, Buffer.from(`${value}\0`));
  }

  /** Forgets what was written. */
  clear(): void {
    this.#length = 0;
  }

  /** All that was written, until the next {@link clear}. */
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

/** `struct nlattr`: a length and a type of 16 bits each, as the machine has them. */
function head(type: number, length: number): number {
  return littleEndian ? (type << 16) | length : (length << 16) | type;
}

/** The other order of bytes. */
function swap(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}
