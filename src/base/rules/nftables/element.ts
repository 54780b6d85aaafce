import {
  type Address,
  formatPrefix,
  lastAddressOf,
  networkOf,
  type Prefix,
  writeAddressBytes,
} from '../../model/address.ts';
import { type Protocol, protocolNumbers } from '../../model/redirect.ts';

/** One field of a key or a value, by its nftables type. */
export type NftField =
  | { readonly type: 'inet_proto'; readonly protocol: Protocol }
  /** 1–65535. */
  | { readonly type: 'inet_service'; readonly port: number }
  /** Result of `numgen` or `jhash`. */
  | { readonly type: 'slot'; readonly slot: number }
  | { readonly type: 'addr'; readonly address: Address }
  /** Only in keys of interval sets. */
  | { readonly type: 'prefix'; readonly prefix: Prefix };

/** The value of a map element: fields, or a chain. */
export type NftValue = readonly NftField[] | { readonly goto: string };

/** An element of a map or set. Elements of sets have no value. */
export interface NftElement {
  readonly collection: string;
  readonly key: readonly NftField[];
  readonly value?: NftValue;
}

/** Renders the key in nft's syntax: `tcp . 13306`. */
export function writeKey({ key }: NftElement): string {
  return key.map(writeField).join(' . ');
}

/** Renders the value in nft's syntax; empty for an element of a set. */
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

/** Returns whether the key is an interval. Its last key is then written by {@link writeLastKeyBytes}. */
export function isInterval({ key }: NftElement): boolean {
  return key.some(({ type }) => type === 'prefix');
}

/**
 * Writes fields in the kernel's format, each padded to 32 bits: network byte order, except slots, which use the byte
 * order of the host. A prefix is written as its first address. Returns the position after the last field.
 */
export function writeFieldBytes(fields: readonly NftField[], target: Buffer, at: number): number {
  let next = at;
  for (const field of fields) next = writeOneField(field, target, next);
  return next;
}

/** Writes the last key of an interval; otherwise like {@link writeFieldBytes}. */
export function writeLastKeyBytes({ key }: NftElement, target: Buffer, at: number): number {
  return writeFieldBytes(key.map(lastOf), target, at);
}

function lastOf(field: NftField): NftField {
  return field.type === 'prefix' ? { type: 'addr', address: lastAddressOf(field.prefix) } : field;
}

function writeOneField(field: NftField, target: Buffer, at: number): number {
  switch (field.type) {
    case 'inet_proto':
      target.writeUInt32LE(protocolNumbers[field.protocol], at);
      return at + 4;
    case 'inet_service':
      target.writeUInt16BE(field.port, at);
      target.writeUInt16BE(0, at + 2);
      return at + 4;
    case 'slot':
      if (littleEndian) target.writeUInt32LE(field.slot, at);
      else target.writeUInt32BE(field.slot, at);
      return at + 4;
    case 'addr':
      return writeAddressBytes(field.address, target, at);
    case 'prefix':
      return writeAddressBytes(networkOf(field.prefix).address, target, at);
  }
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
