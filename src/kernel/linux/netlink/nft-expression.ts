import { NftWriter } from './nft-writer.ts';

/** `NFT_META_*`: what of a packet is looked at besides its bytes. */
const metaKeys = { protocol: 1, incoming: 6, transport: 16 } as const;
/** `NFT_PAYLOAD_*_HEADER`. */
const headers = { link: 0, network: 1, transport: 2 } as const;
const register = 1;
/** `NF_DROP`, `NF_ACCEPT`. */
const verdicts = { drop: 0, accept: 1 } as const;

/** A condition or a consequence of a rule, which writes itself as the kernel reads it. */
export type NftExpression = (out: NftWriter) => void;

/** An expression's name, and its data as `write` writes them. */
function writeExpression(out: NftWriter, name: string, write: () => void): void {
  const element = out.begin(1);
  out.text(1, name);
  const data = out.begin(2);
  write();
  out.end(data);
  out.end(element);
}

function writeCompare(out: NftWriter, value: Uint8Array, not: boolean): void {
  writeExpression(out, 'cmp', () => {
    out.number(1, register);
    out.number(2, not ? 1 : 0);
    const data = out.begin(3);
    out.bytes(1, value);
    out.end(data);
  });
}

/** Bytes of a packet, at an offset of one of its headers, are these, or are not. */
export function matchBytes(
  header: keyof typeof headers,
  offset: number,
  value: Uint8Array,
  { not = false } = {},
): NftExpression {
  return (out) => {
    writeExpression(out, 'payload', () => {
      out.number(1, register);
      out.number(2, headers[header]);
      out.number(3, offset);
      out.number(4, value.length);
    });
    writeCompare(out, value, not);
  };
}

/** Something about a packet has this value, or has not. */
export function matchMeta(key: keyof typeof metaKeys, value: Uint8Array, { not = false } = {}): NftExpression {
  return (out) => {
    writeExpression(out, 'meta', () => {
      out.number(1, register);
      out.number(2, metaKeys[key]);
    });
    writeCompare(out, value, not);
  };
}

/** The name of a link as the kernel compares it. */
export function linkNameBytes(name: string): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.write(name);
  return bytes;
}

/** What happens to a packet that met all conditions before. */
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

/** Counts packets, for people to see. */
export const count: NftExpression = (out) => writeExpression(out, 'counter', () => {});

/** A rule's expressions as the kernel reads them. */
export function writeExpressions(expressions: readonly NftExpression[]): Buffer {
  const out = new NftWriter();
  for (const write of expressions) write(out);
  return out.take();
}
