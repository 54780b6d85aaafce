/**
 * The bits of connection marks that agents use on an ingress node: a field of 14, in which every agent has a
 * value of its own. Two agents of a node must not end each other's connections, nor may somebody else's
 * connection that has one of the bits be taken for an agent's.
 */
export const ingressMarkMask = 0x3fff0000;

const shift = 16;
const width = 14;

/** Fewer bits set than this in a value are what other programs use for themselves. */
const leastBits = 5;

/**
 * The mark of an agent's connections, by its name: the same at every start. Of two names one in 13,000 have
 * the same; such an agent needs another `--name`.
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

/** The mark as nft's rules write and compare it. */
export interface MarkWords {
  /** Holds for connections that are not the agent's. */
  readonly isForeign: string;
  /** Gives a connection the mark; bits of others stay. */
  readonly set: string;
}

/** Nft's words for the mark of an agent. */
export function writeMark(agent: string): MarkWords {
  const mask = `0x${ingressMarkMask.toString(16)}`;
  const rest = `0x${(~ingressMarkMask >>> 0).toString(16)}`;
  const value = `0x${ingressMark(agent).toString(16).padStart(8, '0')}`;
  return {
    isForeign: `ct mark & ${mask} != ${value}`,
    set: `ct mark set ct mark & ${rest} | ${value}`,
  };
}
