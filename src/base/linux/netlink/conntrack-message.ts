import type { Address } from '../../model/address.ts';
import { familyOf, readAddress, readAttributes } from './attributes.ts';
import type { NetlinkReply } from './socket.ts';

/** `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*` */
export const conntrackType = { get: 0x101, delete: 0x102 } as const;

/** `CTA_*` of `<linux/netfilter/nfnetlink_conntrack.h>`. */
export const conntrackAttribute = {
  original: 1,
  reply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  mark: 8,
  sent: 9,
  received: 10,
  zone: 18,
  markMask: 21,
} as const;

/** `CTA_TUPLE_*`, `CTA_IP_*`, `CTA_PROTO_*`. */
export const tuplePart = { ip: 1, protocol: 2 } as const;
export const ipPart = { source4: 1, destination4: 2, source6: 3, destination6: 4 } as const;
export const protocolPart = { number: 1, sourcePort: 2, destinationPort: 3 } as const;

const statusBit = {
  answered: 1 << 1,
  assured: 1 << 2,
  sourceTranslated: 1 << 4,
  destinationTranslated: 1 << 5,
} as const;

/** One direction of a connection. */
export interface Tuple {
  readonly source: Address;
  readonly destination: Address;
  /** `IPPROTO_*`. */
  readonly protocol: number;
  /** Absent for protocols without ports. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

/** A connection as the kernel reports it. */
export interface Tracked {
  /** `AF_INET` or `AF_INET6`. */
  readonly family: number;
  /** The original direction: the first packet before any translation. */
  readonly original: Tuple;
  /** The reply direction: a reply before it is translated back. */
  readonly reply: Tuple;
  readonly answered: boolean;
  /** Whether the kernel saw enough packets in both directions; for TCP an established connection. */
  readonly assured: boolean;
  readonly sourceTranslated: boolean;
  readonly destinationTranslated: boolean;
  readonly mark: number;
  /** All attributes by {@link conntrackAttribute}. */
  readonly attributes: ReadonlyMap<number, Buffer>;
}

/** Parses one connection message. Returns undefined if it lacks addresses. */
export function parseTracked({ data }: NetlinkReply): Tracked | undefined {
  const attributes = readAttributes(data.subarray(4));
  const four = familyOf(data[0]) === 4;
  const original = parseTuple(attributes.get(conntrackAttribute.original), four);
  const reply = parseTuple(attributes.get(conntrackAttribute.reply), four);
  if (original === undefined || reply === undefined) return undefined;
  const status = attributes.get(conntrackAttribute.status)?.readUInt32BE(0) ?? 0;
  return {
    family: data[0] ?? 0,
    original,
    reply,
    answered: (status & statusBit.answered) !== 0,
    assured: (status & statusBit.assured) !== 0,
    sourceTranslated: (status & statusBit.sourceTranslated) !== 0,
    destinationTranslated: (status & statusBit.destinationTranslated) !== 0,
    mark: attributes.get(conntrackAttribute.mark)?.readUInt32BE(0) ?? 0,
    attributes,
  };
}

function parseTuple(data: Buffer | undefined, four: boolean): Tuple | undefined {
  if (data === undefined) return undefined;
  const parts = readAttributes(data);
  const [ip, transport] = [parts.get(tuplePart.ip), parts.get(tuplePart.protocol)];
  if (ip === undefined || transport === undefined) return undefined;
  const addresses = readAttributes(ip);
  const ports = readAttributes(transport);
  const source = readAddress(addresses, four ? ipPart.source4 : ipPart.source6);
  const destination = readAddress(addresses, four ? ipPart.destination4 : ipPart.destination6);
  const protocol = ports.get(protocolPart.number)?.[0];
  const sourcePort = ports.get(protocolPart.sourcePort)?.readUInt16BE(0);
  const destinationPort = ports.get(protocolPart.destinationPort)?.readUInt16BE(0);
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  if (sourcePort === undefined || destinationPort === undefined) return { source, destination, protocol };
  return { source, destination, protocol, sourcePort, destinationPort };
}
