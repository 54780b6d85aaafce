/** Prefix lengths need six bits. */
const lengths = 64;

/**
 * Parses `ADDRESS` or `ADDRESS/LENGTH` of IPv4 into one number, the network times 64 plus the length, with host
 * bits cleared: numbers compare and sort like networks. Returns -1 for any other text, with the rules of
 * `parseAddress` and `parsePrefix`. Several times faster than those, for lists of thousands.
 */
export function parseIpv4Network(text: string): number {
  const end = text.length;
  let [at, address, length] = [0, 0, 32];
  for (let part = 0; part < 4; part++) {
    const start = at;
    let byte = 0;
    for (; at < end && at < start + 3; at++) {
      const digit = text.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) break;
      byte = byte * 10 + digit;
    }
    // No digit, a leading zero, or too large.
    if (at === start || byte > 255 || (at > start + 1 && text.charCodeAt(start) === 48)) return -1;
    address = address * 256 + byte;
    if (part < 3 && text.charCodeAt(at++) !== dot) return -1;
  }
  if (at < end) {
    const digits = end - at - 1;
    if (text.charCodeAt(at) !== slash || digits < 1 || digits > 3) return -1;
    length = 0;
    for (at++; at < end; at++) {
      const digit = text.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) return -1;
      length = length * 10 + digit;
    }
    if (length > 32) return -1;
  }
  const size = 2 ** (32 - length);
  return (address - (address % size)) * lengths + length;
}

const dot = 0x2e;
const slash = 0x2f;

/** Formats a number of {@link parseIpv4Network} as `ADDRESS/LENGTH`. */
export function formatIpv4Network(number: number): string {
  const length = number % lengths;
  const address = (number - length) / lengths;
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}/${length}`;
}
