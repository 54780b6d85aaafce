import { formatIpv6Groups, parseIpv6Groups } from './ipv6.ts';

/** IP version. */
export type Family = 4 | 6;

/**
 * An IP address in canonical text (dotted quad, or RFC 5952 for IPv6), so that two equal
 * addresses have equal `text`. Made by {@link parseAddress} only.
 */
export interface Address {
  readonly family: Family;
  readonly text: string;
}

/** An address with prefix length, such as `192.168.12.99/24`; host bits are kept. */
export interface Prefix {
  readonly address: Address;
  /** Bits of the network part: 0–32 for IPv4, 0–128 for IPv6. */
  readonly length: number;
}

const ipv4Pattern = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/**
 * Parses an address: dotted quad, IPv6, or IPv6 in brackets. Rejects short forms (`10.1`), leading zeros,
 * hexadecimal quads and zone identifiers, because programs disagree about their meaning.
 */
export function parseAddress(text: string): Address | undefined {
  if (ipv4Pattern.test(text)) return { family: 4, text };
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  const groups = bare.includes(':') ? parseIpv6Groups(bare) : undefined;
  // The kernel treats an IPv4-mapped address as IPv4 and never sends it as IPv6.
  if (groups === undefined || isIpv4Mapped(groups)) return undefined;
  return { family: 6, text: formatIpv6Groups(groups) };
}

/** `::ffff:0:0/96` (RFC 4291 §2.5.5.2). */
function isIpv4Mapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
}

/** Parses `ADDRESS/LENGTH` with a decimal length within the family's bits. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.lastIndexOf('/');
  if (slash < 0) return undefined;
  const address = parseAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^\d{1,3}$/.test(digits)) return undefined;
  const length = Number(digits);
  return length <= addressBits(address.family) ? { address, length } : undefined;
}

/** Returns the length of an address in bits. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** Returns the address in network byte order: 4 or 16 bytes. */
export function addressBytes(address: Address): Uint8Array {
  if (address.family === 4) return Uint8Array.from(address.text.split('.'), Number);
  const groups = parseIpv6Groups(address.text) ?? [];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** Writes the address in network byte order at an offset of a buffer; returns the offset after it. */
export function writeAddressBytes(address: Address, target: Uint8Array, at: number): number {
  if (address.family === 6) {
    target.set(addressBytes(address), at);
    return at + 16;
  }
  // Without intermediate strings: an ingress node may have hundreds of thousands of addresses.
  const { text } = address;
  let place = at;
  let byte = 0;
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - 48;
    if (digit < 0) {
      target[place++] = byte;
      byte = 0;
    } else byte = byte * 10 + digit;
  }
  target[place] = byte;
  return at + 4;
}

/** Parses 4 or 16 bytes in network byte order. Throws a RangeError for any other length. */
export function addressFromBytes(bytes: Uint8Array): Address {
  if (bytes.length === 4) return { family: 4, text: bytes.join('.') };
  if (bytes.length !== 16) throw new RangeError(`Cannot read an IP address from ${bytes.length} bytes`);
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0));
  return { family: 6, text: formatIpv6Groups(groups) };
}

/** Returns `ADDRESS/LENGTH` with the host bits. */
export function formatPrefix(prefix: Prefix): string {
  return `${prefix.address.text}/${prefix.length}`;
}

/** Returns the network of a prefix, with host bits cleared. */
export function networkOf(prefix: Prefix): Prefix {
  return { address: withHostBits(prefix, 0x00), length: prefix.length };
}

/** Returns the address with all host bits set, the directed broadcast address of IPv4. */
export function lastAddressOf(prefix: Prefix): Address {
  return withHostBits(prefix, 0xff);
}

function withHostBits(prefix: Prefix, fill: 0x00 | 0xff): Address {
  if (prefix.address.family === 4) {
    // Allow-lists have thousands of networks: numbers are ten times as fast as bytes.
    const mask = prefix.length === 32 ? 0 : 0xffffffff >>> prefix.length;
    const number = prefix.address.text.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
    const filled = fill === 0 ? number & ~mask : number | mask;
    const bytes = [filled >>> 24, (filled >>> 16) & 0xff, (filled >>> 8) & 0xff, filled & 0xff];
    return { family: 4, text: bytes.join('.') };
  }
  const bytes = addressBytes(prefix.address);
  const filled = bytes.map((byte, index) => {
    const hostBits = Math.min(8, Math.max(0, (index + 1) * 8 - prefix.length));
    const hostMask = (1 << hostBits) - 1;
    return (byte & ~hostMask) | (fill & hostMask);
  });
  return addressFromBytes(filled);
}

/** Returns whether the address is in the prefix's network; false for different families. */
export function containsAddress(prefix: Prefix, address: Address): boolean {
  if (prefix.address.family !== address.family) return false;
  const network = networkOf(prefix).address.text;
  return networkOf({ address, length: prefix.length }).address.text === network;
}

/** Returns the /32 or /128 prefix of an address. */
export function hostPrefix(address: Address): Prefix {
  return { address, length: addressBits(address.family) };
}

/** Returns `0.0.0.0/0` or `::/0`. */
export function defaultPrefix(family: Family): Prefix {
  return { address: { family, text: family === 4 ? '0.0.0.0' : '::' }, length: 0 };
}

/** Returns whether an IPv6 address is link-local (`fe80::/10`, RFC 4291 §2.5.6). */
export function isLinkLocal(address: Address): boolean {
  return address.family === 6 && /^fe[89ab][0-9a-f]:/.test(address.text);
}

/** Returns whether an address is not a unicast host address: unspecified, loopback, multicast or broadcast. */
export function isUnusable(address: Address): boolean {
  if (address.family === 4) {
    const first = Number(address.text.slice(0, address.text.indexOf('.')));
    return first === 0 || first === 127 || first >= 224;
  }
  return address.text === '::' || address.text === '::1' || address.text.startsWith('ff');
}
