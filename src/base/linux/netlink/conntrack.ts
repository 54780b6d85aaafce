import type { AttrStream } from 'netlink/dist/structs.js';
import { type Address, addressBytes } from '../../model/address.ts';
import { familyNumber } from './attributes.ts';
import {
  conntrackAttribute as attribute,
  ipPart,
  parseTracked,
  protocolPart,
  tuplePart,
  conntrackType as type,
} from './conntrack-message.ts';
import { flag, type NetlinkReply, type NetlinkSocket, type WriteRequest } from './socket.ts';

/** What names a connection: the same addresses may be tracked once in each zone. */
const keyAttributes = [attribute.original, attribute.zone] as const;

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
  /** Whom the target sees. */
  readonly seenAs: Address;
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
  return socket.request(type.get, flag.dump, writeFilter(undefined)).flatMap((message) => {
    const tracked = parseTracked(message);
    if (tracked === undefined || (tracked.sourceTranslated && tracked.destinationTranslated)) return [];
    const { family, original, reply, attributes, sourceTranslated, destinationTranslated } = tracked;
    const { destination, protocol, destinationPort } = original;
    return [
      {
        family,
        destination,
        target: reply.source,
        seenAs: reply.destination,
        protocol,
        ...(destinationPort !== undefined && { destinationPort }),
        sourceTranslated,
        destinationTranslated,
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
      original.push(tuplePart.ip, (addresses: AttrStream) => {
        addresses.push(family === 4 ? ipPart.source4 : ipPart.source6, addressBytes(connection.source));
        addresses.push(family === 4 ? ipPart.destination4 : ipPart.destination6, addressBytes(connection.destination));
      });
      original.push(tuplePart.protocol, (ports: AttrStream) => {
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

function parseConnection(message: NetlinkReply): Connection[] {
  const tracked = parseTracked(message);
  if (tracked === undefined) return [];
  const { original, reply, assured, destinationTranslated: translated } = tracked;
  const { sourcePort, destinationPort } = original;
  if (sourcePort === undefined || destinationPort === undefined || reply.sourcePort === undefined) return [];
  return [
    {
      ...original,
      sourcePort,
      destinationPort,
      translated,
      assured,
      answeredBy: { address: reply.source, port: reply.sourcePort },
    },
  ];
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
