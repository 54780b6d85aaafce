import { littleEndian } from './attributes.ts';

/**
 * Writes attributes of nf_tables, one within another, into one buffer. The package's own streams make
 * buffers of every part, which costs an ADD more than the kernel takes for the whole.
 */
export class NftWriter {
  #buffer = Buffer.allocUnsafe(4096);
  #length = 0;

  /** Begins an attribute with others within; returns what {@link end} wants. Without NLA_F_NESTED, as the kernel writes them. */
  begin(type: number): number {
    const start = this.#length;
    this.#reserve(4);
    this.#length += 4;
    this.#writeShort(start + 2, type);
    return start;
  }

  /** Ends the attribute that began there, and pads it to 32 bits. */
  end(start: number): void {
    this.#writeShort(start, this.#length - start);
    this.#reserve(4);
    while ((this.#length & 3) !== 0) this.#buffer[this.#length++] = 0;
  }

  bytes(type: number, value: Uint8Array): void {
    const start = this.begin(type);
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    this.end(start);
  }

  /** 32 bits in network order, as nf_tables wants numbers. */
  number(type: number, value: number): void {
    const start = this.begin(type);
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32BE(value, this.#length);
    this.end(start);
  }

  /** A zero-terminated text. */
  text(type: number, value: string): void {
    this.bytes(type, Buffer.from(`${value}\0`));
  }

  /** All that was written. */
  take(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #writeShort(at: number, value: number): void {
    if (littleEndian) this.#buffer.writeUInt16LE(value, at);
    else this.#buffer.writeUInt16BE(value, at);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    this.#buffer = Buffer.concat([this.#buffer, Buffer.allocUnsafe(this.#buffer.length + more)]);
  }
}
