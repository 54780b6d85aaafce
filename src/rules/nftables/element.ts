import {
  type Address,
  addressBytes,
  formatPrefix,
  lastAddressOf,
  networkOf,
  type Prefix,
} from '../../model/address.ts';
import { type Protocol, protocolNumbers } from '../../model/redirect.ts';

/** One field of a key or of a value, by its type in nftables. */
export type NftField =
  | { readonly type: 'inet_proto'; readonly protocol: Protocol }
  /** 1–65535. */
  | { readonly type: 'inet_service'; readonly port: number }
  /** What `numgen` and `jhash` yield. */
  | { readonly type: 'slot'; readonly slot: number }
  | { readonly type: 'addr'; readonly address: Address }
  /** Only in keys of interval sets. */
  | { readonly type: 'prefix'; readonly prefix: Prefix };

/** Where an element of a map leads: fields, or a chain. */
export type NftValue = readonly NftField[] | { readonly goto: string };

/** An element of a map or set of a table; a set's have no value. */
export interface NftElement {
  readonly collection: string;
  readonly key: readonly NftField[];
  readonly value?: NftValue;
}

/** The key in nft's words: `tcp . 13306`. */
export function writeKey({ key }: NftElement): string {
  return key.map(writeField).join(' . ');
}

/** The value in nft's words; empty for a set's element. */
export function writeValue({ value }: NftElement): string {
  if (value === undefined) return '';
  return 'goto' in value ? `goto ${value.goto}` : value.map(writeField).join(' . ');
}

function writeField(field: NftField): string {
  switch (field.type) {
    case 'inet_proto':
      return field.protocol;
    case 'inet_service':
      return `${field.port}`;
    case 'slot':
      return `${field.slot}`;
    case 'addr':
      return field.address.text;
    case 'prefix':
      return formatPrefix(field.prefix);
  }
}

/** A key's first and last value in the kernel's form; equal but for intervals, where `last` is there. */
export interface EncodedKey {
  readonly first: Uint8Array;
  readonly last?: Uint8Array;
}

/** The key as the kernel compares it: every field padded to 32 bits. */
export function encodeKey({ key }: NftElement): EncodedKey {
  const isInterval = key.some(({ type }) => type === 'prefix');
  const first = encodeFields(key);
  return isInterval ? { first, last: encodeFields(key.map(lastOf)) } : { first };
}

function lastOf(field: NftField): NftField {
  return field.type === 'prefix' ? { type: 'addr', address: lastAddressOf(field.prefix) } : field;
}

/** Fields in the kernel's form: network order, but slots, which are numbers of the machine; each padded to 32 bits. */
export function encodeFields(fields: readonly NftField[]): Uint8Array {
  const parts = fields.map(encodeField);
  if (parts.length === 1 && parts[0] !== undefined) return parts[0];
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function encodeField(field: NftField): Uint8Array {
  switch (field.type) {
    case 'inet_proto':
      return Uint8Array.of(protocolNumbers[field.protocol], 0, 0, 0);
    case 'inet_service':
      return Uint8Array.of(field.port >> 8, field.port & 0xff, 0, 0);
    case 'slot':
      return new Uint8Array(Uint32Array.of(field.slot).buffer);
    case 'addr':
      return addressBytes(field.address);
    case 'prefix':
      return addressBytes(networkOf(field.prefix).address);
  }
}
