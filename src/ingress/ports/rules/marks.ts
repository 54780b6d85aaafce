/**
 * The bits of connection marks that agents use on an ingress node: a field of 14 bits, in which every agent has its
 * own value. Agents must not affect connections of other agents, or of programs that use some of the bits.
 */
export const ingressMarkMask = 0x3fff0000;

const shift = 16;
const width = 14;

/** Values with fewer bits set are likely to be used by other programs. */
const leastBits = 5;

/**
 * Returns the mark of an agent's connections, derived from its name, so that it is the same after every start. One in
 * 13,000 pairs of names has the same mark; such an agent needs another `--name`.
 */
export function ingressMark(agent: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(agent)) hash = Math.imul(hash ^ byte, 0x01000193);
  for (let value = (hash >>> 7) % 2 ** width; ; value = (value + 1) % 2 ** width) {
    if (countBits(value) >= leastBits) return value * 2 ** shift;
  }
}

function countBits(value: number): number {
  let count = 0;
  for (let rest = value; rest > 0; rest >>>= 1) count += rest & 1;
  return count;
}

/** The mark in nft's syntax. */
export interface MarkWords {
  /** Matches connections of others. */
  readonly isForeign: string;
  /** Sets the mark of a connection and keeps the other bits. */
  readonly set: string;
}

/** Returns the mark of an agent in nft's syntax. */
export function writeMark(agent: string): MarkWords {
  const mask = `0x${ingressMarkMask.toString(16)}`;
  const rest = `0x${(~ingressMarkMask >>> 0).toString(16)}`;
  const value = `0x${ingressMark(agent).toString(16).padStart(8, '0')}`;
  return {
    isForeign: `ct mark & ${mask} != ${value}`,
    set: `ct mark set ct mark & ${rest} | ${value}`,
  };
}
