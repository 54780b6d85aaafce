import { type AttrStream, parseAttributes, putU32 } from 'netlink/dist/structs.js';
import { type Address, addressBytes, addressFromBytes, type Family } from '../../model/address.ts';

/** Returns the attributes of a message or of a nested attribute by type. The last of several equal types wins. */
export function readAttributes(data: Buffer): ReadonlyMap<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  parseAttributes(data, ({ type, data: value }) => attributes.set(type, value));
  return attributes;
}

/** Returns a 32-bit number in host byte order, or undefined if the attribute is missing. */
export function readNumber(attributes: ReadonlyMap<number, Buffer>, type: number): number | undefined {
  const value = attributes.get(type);
  if (value === undefined || value.length < 4) return undefined;
  return new DataView(value.buffer, value.byteOffset, 4).getUint32(0, littleEndian);
}

/** Returns a zero-terminated string. */
export function readText(attributes: ReadonlyMap<number, Buffer>, type: number): string | undefined {
  const value = attributes.get(type);
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}

/** Returns an IPv4 or IPv6 address, which is in network byte order. */
export function readAddress(attributes: ReadonlyMap<number, Buffer>, type: number): Address | undefined {
  const value = attributes.get(type);
  return value === undefined ? undefined : addressFromBytes(value);
}

/** Appends a 32-bit number in host byte order. */
export function pushNumber(out: AttrStream, type: number, value: number): void {
  out.push(type, putU32(value));
}

/** Appends a zero-terminated string. */
export function pushText(out: AttrStream, type: number, text: string): void {
  out.push(type, Buffer.from(`${text}\0`));
}

/** Appends an address in network byte order. */
export function pushAddress(out: AttrStream, type: number, address: Address): void {
  out.push(type, addressBytes(address));
}

/** Whether this machine is little-endian. Netlink headers use the host byte order. */
export const littleEndian: boolean = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** `AF_INET` or `AF_INET6`. */
export function familyNumber(family: Family): number {
  return family === 4 ? 2 : 10;
}

/** Returns the family of `AF_INET` or `AF_INET6`, and undefined for any other number. */
export function familyOf(number: number | undefined): Family | undefined {
  return number === 2 ? 4 : number === 10 ? 6 : undefined;
}
