import { NftWriter } from './nft-writer.ts';

/** `NFT_META_*`: metadata of a packet. */
const metaKeys = { protocol: 1, mark: 3, incoming: 6, outgoing: 7, family: 15, transport: 16 } as const;
/** `NFT_CT_*`: properties of a packet's connection. */
const connectionKeys = { state: 0, direction: 1, status: 2, mark: 3 } as const;
/** `NFT_PAYLOAD_*_HEADER`. */
const headers = { link: 0, network: 1, transport: 2 } as const;
/** `NFT_REG_1` and `NFT_REG_2` have 16 bytes each. `NFT_REG32_01` is the second four bytes of the first. */
const register = { first: 1, second: 2, behindFour: 9 } as const;
/** `NF_DROP`, `NF_ACCEPT`, `NFT_RETURN`. */
const verdicts = { drop: 0, accept: 1, return: -5 } as const;
/** `NFT_CMP_*`. */
const comparison = { equal: 0, notEqual: 1 } as const;
/** `NFT_REJECT_TCP_RST`; `NFT_REJECT_ICMPX_UNREACH` with `NFT_REJECT_ICMPX_PORT_UNREACH`. */
const rejections = { 'tcp-reset': { type: 1, code: 0 }, 'port-unreachable': { type: 2, code: 1 } } as const;
/** `NFT_NAT_*`. */
const translations = { snat: 0, dnat: 1 } as const;
/** `NF_NAT_RANGE_PROTO_SPECIFIED`. */
const portSpecified = 2;
/** `NFPROTO_IPV4`, `NFPROTO_IPV6`. */
const familyNumbers = { 4: 2, 6: 10 } as const;

/** A match or statement of a rule that writes itself in the kernel's format. */
export type NftExpression = (out: NftWriter) => void;

type ExpressionName =
  | 'bitwise'
  | 'cmp'
  | 'counter'
  | 'ct'
  | 'fib'
  | 'immediate'
  | 'lookup'
  | 'meta'
  | 'nat'
  | 'payload'
  | 'reject';
/** Zero-terminated and cached: a router has hundreds of expressions but only a dozen names. */
const expressionNames = new Map<ExpressionName, Uint8Array>();

function bytesOfName(name: ExpressionName): Uint8Array {
  const known = expressionNames.get(name);
  if (known !== undefined) return known;
  const bytes = Buffer.from(`${name}\0`);
  expressionNames.set(name, bytes);
  return bytes;
}

/** Writes an expression: its name, and the data that `write` adds. */
function writeExpression(out: NftWriter, name: ExpressionName, write: () => void): void {
  const element = out.begin(1);
  out.bytes(1, bytesOfName(name));
  const data = out.begin(2);
  write();
  out.end(data);
  out.end(element);
}

/** Writes a value inside an attribute (`NFTA_DATA_VALUE`). */
function writeData(out: NftWriter, type: number, value: Uint8Array): void {
  const data = out.begin(type);
  out.bytes(1, value);
  out.end(data);
}

function writeCompare(out: NftWriter, value: Uint8Array, not: boolean): void {
  writeExpression(out, 'cmp', () => {
    out.number(1, register.first);
    out.number(2, not ? comparison.notEqual : comparison.equal);
    writeData(out, 3, value);
  });
}

/** Masks the register and applies exclusive or. */
function writeBitwise(out: NftWriter, mask: Uint8Array, xor: Uint8Array): void {
  writeExpression(out, 'bitwise', () => {
    out.number(1, register.first);
    out.number(2, register.first);
    out.number(3, mask.length);
    writeData(out, 4, mask);
    writeData(out, 5, xor);
  });
}

function writePayload(out: NftWriter, header: keyof typeof headers, offset: number, length: number): void {
  writeExpression(out, 'payload', () => {
    out.number(1, register.first);
    out.number(2, headers[header]);
    out.number(3, offset);
    out.number(4, length);
  });
}

function writeLoad(out: NftWriter, name: 'meta' | 'ct', key: number): void {
  writeExpression(out, name, () => {
    out.number(1, register.first);
    out.number(2, key);
  });
}

/** Matches bytes at an offset of a packet header, optionally negated. */
export function matchBytes(
  header: keyof typeof headers,
  offset: number,
  value: Uint8Array,
  { not = false } = {},
): NftExpression {
  return (out) => {
    writePayload(out, header, offset, value.length);
    writeCompare(out, value, not);
  };
}

/** Matches a metadata value of a packet, optionally negated. */
export function matchMeta(key: keyof typeof metaKeys, value: Uint8Array, { not = false } = {}): NftExpression {
  return (out) => {
    writeLoad(out, 'meta', metaKeys[key]);
    writeCompare(out, value, not);
  };
}

/** Matches a property of the packet's connection. */
export function matchConnection(key: 'direction', value: Uint8Array): NftExpression {
  return (out) => {
    writeLoad(out, 'ct', connectionKeys[key]);
    writeCompare(out, value, false);
  };
}

/** Matches bits of a numeric property of a packet or its connection, optionally negated. */
export function matchBits(
  of: 'mark' | 'connection-mark' | 'connection-state' | 'connection-status',
  mask: number,
  value: number,
  { not = false } = {},
): NftExpression {
  return (out) => {
    loadNumber(out, of);
    writeBitwise(out, hostNumber(mask), hostNumber(0));
    writeCompare(out, hostNumber(value), not);
  };
}

/** Sets bits of a packet's or connection's mark and keeps the others. */
export function setBits(of: 'mark' | 'connection-mark', mask: number, value: number): NftExpression {
  return (out) => {
    loadNumber(out, of);
    writeBitwise(out, hostNumber(~mask >>> 0), hostNumber(value));
    writeExpression(out, of === 'mark' ? 'meta' : 'ct', () => {
      out.number(2, of === 'mark' ? metaKeys.mark : connectionKeys.mark);
      out.number(of === 'mark' ? 3 : 4, register.first);
    });
  };
}

function loadNumber(out: NftWriter, of: Parameters<typeof matchBits>[0]): void {
  if (of === 'mark') writeLoad(out, 'meta', metaKeys.mark);
  else if (of === 'connection-mark') writeLoad(out, 'ct', connectionKeys.mark);
  else writeLoad(out, 'ct', of === 'connection-state' ? connectionKeys.state : connectionKeys.status);
}

/** Returns a 32-bit number in host byte order, in which marks and connection bits are compared. */
function hostNumber(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value >>> 0).buffer);
}

/** Matches packets whose destination is an address of this namespace (`RTN_LOCAL`). */
export const matchLocalDestination: NftExpression = (out) => {
  writeExpression(out, 'fib', () => {
    out.number(1, register.first);
    // NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR
    out.number(2, 3);
    out.number(3, 2);
  });
  writeCompare(out, hostNumber(2), false);
};

/** Returns the name of a link in the format that the kernel compares. */
export function linkNameBytes(name: string): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.write(name);
  return bytes;
}

/** Returns the verdict for a packet that matched all previous expressions. */
export function decide(verdict: keyof typeof verdicts): NftExpression {
  return (out) =>
    writeExpression(out, 'immediate', () => {
      out.number(1, 0);
      const data = out.begin(2);
      const code = out.begin(2);
      out.number(1, verdicts[verdict]);
      out.end(code);
      out.end(data);
    });
}

/** Rejects a packet and notifies its sender. */
export function reject(how: keyof typeof rejections): NftExpression {
  return (out) =>
    writeExpression(out, 'reject', () => {
      out.number(1, rejections[how].type);
      out.bytes(2, Uint8Array.of(rejections[how].code));
    });
}

/** Translates a packet's connection to an address, and to a port in network byte order if there is one. */
export function translate(
  to: keyof typeof translations,
  family: 4 | 6,
  address: Uint8Array,
  port?: Uint8Array,
): NftExpression {
  return (out) => {
    writeImmediate(out, register.first, address);
    if (port !== undefined) writeImmediate(out, register.second, port);
    writeExpression(out, 'nat', () => {
      writeTranslation(out, translations[to], family);
      if (port === undefined) return;
      out.number(5, register.second);
      out.number(7, portSpecified);
    });
  };
}

/**
 * Translates a packet's destination to the address and port that a map contains for its port. Without an entry,
 * evaluation continues with the next rule.
 */
export function translateByMap(family: 4 | 6, map: string): NftExpression {
  return (out) => {
    // The destination port is at the same offset in every protocol with ports.
    writePayload(out, 'transport', 2, 2);
    writeExpression(out, 'lookup', () => {
      out.text(1, map);
      out.number(2, register.first);
      out.number(3, register.first);
    });
    writeExpression(out, 'nat', () => {
      writeTranslation(out, translations.dnat, family);
      out.number(5, family === 4 ? register.behindFour : register.second);
    });
  };
}

function writeTranslation(out: NftWriter, type: number, family: 4 | 6): void {
  out.number(1, type);
  out.number(2, familyNumbers[family]);
  out.number(3, register.first);
}

function writeImmediate(out: NftWriter, target: number, value: Uint8Array): void {
  writeExpression(out, 'immediate', () => {
    out.number(1, target);
    writeData(out, 2, value);
  });
}

/** Counts packets, for administrators. */
export const count: NftExpression = (out) => writeExpression(out, 'counter', () => {});

/** Writes a rule's expressions as an attribute. */
export function writeRuleExpressions(out: NftWriter, type: number, expressions: readonly NftExpression[]): void {
  const nest = out.begin(type);
  for (const write of expressions) write(out);
  out.end(nest);
}

/** Returns a rule's expressions in the kernel's format. */
export function writeExpressions(expressions: readonly NftExpression[]): Buffer {
  const out = new NftWriter();
  for (const write of expressions) write(out);
  return out.take();
}
