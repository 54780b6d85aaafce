import {
  type Address,
  addressBits,
  addressBytes,
  addressFromBytes,
  type Family,
  lastAddressOf,
  networkOf,
  parseAddress,
  parsePrefix,
} from './address.ts';

/** Addresses from one to another of the same family, inclusive. Made by {@link parseAddressRange} and its relatives. */
export interface AddressRange {
  readonly family: Family;
  /** Numbers in network byte order. */
  readonly first: bigint;
  readonly last: bigint;
}

/** Expected format of a range, for messages. */
export const addressRangeCure =
  'must be an address, a range such as "192.0.2.10-192.0.2.19", or a network such as "192.0.2.16/28"';

/** Parses an address, `FIRST-LAST`, or a network in CIDR form without host bits. Returns undefined for anything else. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [from = '', to, ...rest] = text.split('-').map((word) => word.trim());
  if (rest.length > 0) return undefined;
  if (to !== undefined) {
    const [first, last] = [parseAddress(from), parseAddress(to)];
    if (first === undefined || last === undefined || first.family !== last.family) return undefined;
    const range = { family: first.family, first: toNumber(first), last: toNumber(last) };
    return range.first <= range.last ? range : undefined;
  }
  const single = parseAddress(from);
  if (single !== undefined) return rangeOf(single);
  const prefix = parsePrefix(from);
  if (prefix === undefined) return undefined;
  const network = networkOf(prefix).address;
  // Host bits are probably a mistake: "192.0.2.10/24" may mean one address or all of them.
  if (network.text !== prefix.address.text) return undefined;
  return { family: network.family, first: toNumber(network), last: toNumber(lastAddressOf(prefix)) };
}

/** Returns the range of one address. */
export function rangeOf(address: Address): AddressRange {
  const number = toNumber(address);
  return { family: address.family, first: number, last: number };
}

/** Returns the number of addresses of a range. */
export function countAddresses({ first, last }: AddressRange): bigint {
  return last - first + 1n;
}

/** Returns whether one of the ranges contains the address. */
export function includesAddress(ranges: readonly AddressRange[], address: Address): boolean {
  const number = toNumber(address);
  return ranges.some(({ family, first, last }) => family === address.family && first <= number && number <= last);
}

/** Returns whether two ranges have an address in common. */
export function overlaps(one: AddressRange, other: AddressRange): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last;
}

/** Returns the ranges without the addresses of others. */
export function subtractRanges(ranges: readonly AddressRange[], others: readonly AddressRange[]): AddressRange[] {
  return others.reduce<AddressRange[]>(
    (left, other) =>
      left.flatMap((range) => {
        if (!overlaps(range, other)) return [range];
        const parts: AddressRange[] = [];
        if (range.first < other.first) parts.push({ ...range, last: other.first - 1n });
        if (other.last < range.last) parts.push({ ...range, first: other.last + 1n });
        return parts;
      }),
    [...ranges],
  );
}

/** Returns the same addresses as sorted ranges that neither overlap nor touch. */
export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const sorted = [...ranges].sort(
    (one, other) => one.family - other.family || (one.first < other.first ? -1 : one.first > other.first ? 1 : 0),
  );
  const merged: AddressRange[] = [];
  for (const range of sorted) {
    const before = merged.at(-1);
    if (before === undefined || before.family !== range.family || range.first > before.last + 1n) merged.push(range);
    else if (range.last > before.last) merged[merged.length - 1] = { ...before, last: range.last };
  }
  return merged;
}

/** Returns the address, or `FIRST-LAST`, which nft accepts as an interval. */
export function formatRange({ family, first, last }: AddressRange): string {
  const from = toAddress(family, first).text;
  return first === last ? from : `${from}-${toAddress(family, last).text}`;
}

/** Returns an address as a number in network byte order. */
export function toNumber(address: Address): bigint {
  return addressBytes(address).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** Returns the address of a number. */
export function toAddress(family: Family, number: bigint): Address {
  const bytes = new Uint8Array(addressBits(family) / 8);
  let rest = number;
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return addressFromBytes(bytes);
}
