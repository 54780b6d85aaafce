/** Parses an IPv6 address (RFC 4291 §2.2) into its eight groups; the last 32 bits may be a dotted quad. Rejects zones and brackets. */
export function parseIpv6Groups(text: string): number[] | undefined {
  const groups: number[] = [];
  let gap = -1;
  let at = 0;
  if (text.startsWith('::')) {
    gap = 0;
    at = 2;
  } else if (text.startsWith(':')) return undefined;
  while (at < text.length) {
    let value = 0;
    const start = at;
    for (; at < text.length; at++) {
      const digit = hexDigit(text.charCodeAt(at));
      if (digit < 0) break;
      value = value * 16 + digit;
    }
    const length = at - start;
    if (at < text.length && text.charCodeAt(at) === dot) {
      const tail = parseIpv4Tail(text.slice(start));
      if (tail === undefined) return undefined;
      groups.push(tail >>> 16, tail & 0xffff);
      at = text.length;
      break;
    }
    if (length === 0 || length > 4) return undefined;
    groups.push(value);
    if (at === text.length) break;
    if (text.charCodeAt(at) !== colon) return undefined;
    at++;
    if (text.charCodeAt(at) === colon) {
      if (gap >= 0) return undefined;
      gap = groups.length;
      at++;
    } else if (at === text.length) return undefined;
  }
  if (gap < 0) return groups.length === 8 ? groups : undefined;
  if (groups.length > 7) return undefined;
  const missing = 8 - groups.length;
  groups.length = 8;
  for (let at = 7; at >= gap + missing; at--) groups[at] = groups[at - missing] ?? 0;
  groups.fill(0, gap, gap + missing);
  return groups;
}

const colon = 0x3a;
const dot = 0x2e;

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function parseIpv4Tail(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value >>> 0;
}

/** Formats an address in canonical form (RFC 5952). */
export function formatIpv6Groups(groups: ArrayLike<number>): string {
  let start = -1;
  let length = 1;
  for (let at = 0; at < 8; at++) {
    if (groups[at] !== 0) continue;
    let end = at + 1;
    while (end < 8 && groups[end] === 0) end++;
    if (end - at > length) {
      start = at;
      length = end - at;
    }
    at = end;
  }
  if (start < 0) return join(groups, 0, 8);
  return `${join(groups, 0, start)}::${join(groups, start + length, 8)}`;
}

function join(groups: ArrayLike<number>, from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; at++) text += `${at === from ? '' : ':'}${(groups[at] ?? 0).toString(16)}`;
  return text;
}
