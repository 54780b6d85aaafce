import type { AttrStream } from 'netlink/dist/structs.js';
import { type Address, addressBytes } from '../../../model/address.ts';
import { familyNumber, familyOf, readAddress, readAttributes } from './attributes.ts';
import { flag, type NetlinkReply, type NetlinkSocket, type WriteRequest } from './socket.ts';

/** `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*` */
const type = { get: 0x101, delete: 0x102 } as const;
const attribute = { original: 1, reply: 2, status: 3, mark: 8, zone: 18, markMask: 21 } as const;
/** What names a connection: the same addresses may be tracked once in each zone. */
const keyAttributes = [attribute.original, attribute.zone] as const;
const tuple = { ip: 1, protocol: 2 } as const;
const ip = { source4: 1, destination4: 2, source6: 3, destination6: 4 } as const;
const protocolPart = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const assured = 1 << 2;
const sourceTranslated = 1 << 4;
const destinationTranslated = 1 << 5;

/** A connection as its first packet was seen, before any translation. */
export interface Connection {
  readonly source: Address;
  readonly destination: Address;
  /** `IPPROTO_*`. */
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly translated: boolean;
  /** Packets went both ways often enough: an established connection for TCP. */
  readonly assured: boolean;
  /** Who answers: the endpoint, where the destination was translated. */
  readonly answeredBy: { readonly address: Address; readonly port: number };
}

/** A value of connection marks, in some of their bits. */
export interface Marked {
  readonly value: number;
  readonly mask: number;
}

/** A connection of any protocol of which an end was not translated. */
export interface UntranslatedFlow {
  readonly family: number;
  readonly destination: Address;
  /** Who answers: another than the destination where that was translated. */
  readonly target: Address;
  /** `IPPROTO_*`. */
  readonly protocol: number;
  /** Absent for protocols without ports. */
  readonly destinationPort?: number;
  readonly sourceTranslated: boolean;
  readonly destinationTranslated: boolean;
  /** The original direction as the kernel wrote it, by which it finds the connection again, with its zone. */
  readonly key: readonly (readonly [type: number, value: Buffer])[];
}

/** Connections that the namespace tracks without a translation of both ends. Throws {@link NetlinkError}. */
export function listUntranslated(socket: NetlinkSocket): UntranslatedFlow[] {
  const both = sourceTranslated | destinationTranslated;
  return socket.request(type.get, flag.dump, writeFilter(undefined)).flatMap(({ data }) => {
    const attributes = readAttributes(data.subarray(4));
    const status = attributes.get(attribute.status)?.readUInt32BE(0) ?? 0;
    const original = attributes.get(attribute.original);
    if ((status & both) === both || original === undefined) return [];
    const four = familyOf(data[0]) === 4;
    const parts = readAttributes(original);
    const addresses = readAttributes(parts.get(tuple.ip) ?? Buffer.alloc(0));
    const ports = readAttributes(parts.get(tuple.protocol) ?? Buffer.alloc(0));
    const destination = readAddress(addresses, four ? ip.destination4 : ip.destination6);
    const destinationPort = ports.get(protocolPart.destinationPort)?.readUInt16BE(0);
    const reply = readAttributes(attributes.get(attribute.reply) ?? Buffer.alloc(0));
    const target = readAddress(readAttributes(reply.get(tuple.ip) ?? Buffer.alloc(0)), four ? ip.source4 : ip.source6);
    if (destination === undefined || target === undefined) return [];
    return [
      {
        family: data[0] ?? 0,
        destination,
        target,
        protocol: ports.get(protocolPart.number)?.[0] ?? 0,
        ...(destinationPort !== undefined && { destinationPort }),
        sourceTranslated: (status & sourceTranslated) !== 0,
        destinationTranslated: (status & destinationTranslated) !== 0,
        key: keyAttributes.flatMap((number) => {
          const value = attributes.get(number);
          return value === undefined ? [] : [[number, value] as const];
        }),
      },
    ];
  });
}

/** Forgets a connection as {@link listUntranslated} found it. Throws {@link NetlinkError} (`ENOENT`: it is gone). */
export function deleteTracked(socket: NetlinkSocket, { family, key }: UntranslatedFlow): void {
  socket.request(type.delete, 0, (out) => {
    writeHeader(out, family);
    for (const [number, value] of key) out.push(number, value);
  });
}

/** Connections with ports that the namespace tracks, those with a mark or all. Throws {@link NetlinkError}. */
export function listConnections(socket: NetlinkSocket, marked?: Marked): Connection[] {
  return socket.request(type.get, flag.dump, writeFilter(marked)).flatMap(parseConnection);
}

/** As {@link listConnections}, a few at a time: whatever else waits comes in between. Throws {@link NetlinkError}. */
export async function* listConnectionsInSteps(socket: NetlinkSocket, marked: Marked): AsyncGenerator<Connection[]> {
  for await (const replies of socket.requestInSteps(type.get, flag.dump, writeFilter(marked))) {
    yield replies.flatMap(parseConnection);
  }
}

function writeFilter(marked: Marked | undefined): WriteRequest {
  return (out) => {
    writeHeader(out, 0);
    if (marked === undefined) return;
    out.push(attribute.mark, bigEndian32(marked.value));
    out.push(attribute.markMask, bigEndian32(marked.mask));
  };
}

/** Forgets a connection; the next packet of it is a first one. Throws {@link NetlinkError} (`ENOENT`: it is gone). */
export function deleteConnection(socket: NetlinkSocket, connection: Connection): void {
  const { family } = connection.source;
  socket.request(type.delete, 0, (out) => {
    writeHeader(out, familyNumber(family));
    out.push(attribute.original, (original: AttrStream) => {
      original.push(tuple.ip, (addresses: AttrStream) => {
        addresses.push(family === 4 ? ip.source4 : ip.source6, addressBytes(connection.source));
        addresses.push(family === 4 ? ip.destination4 : ip.destination6, addressBytes(connection.destination));
      });
      original.push(tuple.protocol, (ports: AttrStream) => {
        ports.push(protocolPart.number, Buffer.from([connection.protocol]));
        ports.push(protocolPart.sourcePort, bigEndian16(connection.sourcePort));
        ports.push(protocolPart.destinationPort, bigEndian16(connection.destinationPort));
      });
    });
  });
}

/** Forgets every connection of both families whose masked mark has this value. Throws {@link NetlinkError}. */
export function deleteMarkedConnections(socket: NetlinkSocket, value: number, mask: number): void {
  socket.request(type.delete, 0, (out) => {
    writeHeader(out, 0);
    out.push(attribute.mark, bigEndian32(value));
    out.push(attribute.markMask, bigEndian32(mask));
  });
}

/** `struct nfgenmsg`. */
function writeHeader(out: AttrStream, family: number): void {
  out.emit(Buffer.from([family, 0, 0, 0]));
}

function parseConnection({ data }: NetlinkReply): Connection[] {
  const attributes = readAttributes(data.subarray(4));
  const four = familyOf(data[0]) === 4;
  const original = parseTuple(attributes.get(attribute.original), four);
  const reply = parseTuple(attributes.get(attribute.reply), four);
  if (original === undefined || reply === undefined) return [];
  const status = attributes.get(attribute.status)?.readUInt32BE(0) ?? 0;
  return [
    {
      ...original,
      translated: (status & destinationTranslated) !== 0,
      assured: (status & assured) !== 0,
      answeredBy: { address: reply.source, port: reply.sourcePort },
    },
  ];
}

type Tuple = Pick<Connection, 'source' | 'destination' | 'protocol' | 'sourcePort' | 'destinationPort'>;

/** One direction of a connection; undefined for protocols without ports. */
function parseTuple(data: Buffer | undefined, four: boolean): Tuple | undefined {
  const parts = readAttributes(data ?? Buffer.alloc(0));
  const addresses = readAttributes(parts.get(tuple.ip) ?? Buffer.alloc(0));
  const ports = readAttributes(parts.get(tuple.protocol) ?? Buffer.alloc(0));
  const source = readAddress(addresses, four ? ip.source4 : ip.source6);
  const destination = readAddress(addresses, four ? ip.destination4 : ip.destination6);
  const sourcePort = ports.get(protocolPart.sourcePort)?.readUInt16BE(0);
  const destinationPort = ports.get(protocolPart.destinationPort)?.readUInt16BE(0);
  const protocol = ports.get(protocolPart.number)?.[0];
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  if (sourcePort === undefined || destinationPort === undefined) return undefined;
  return { source, destination, protocol, sourcePort, destinationPort };
}

function bigEndian16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function bigEndian32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
