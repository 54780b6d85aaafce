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

/** The key of a connection. Each zone may track the same addresses once. */
const keyAttributes = [attribute.original, attribute.zone] as const;

/** A connection as seen by its first packet, before any translation. */
export interface Connection {
  readonly source: Address;
  readonly destination: Address;
  /** `IPPROTO_*`. */
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly translated: boolean;
  /** Whether the kernel saw enough packets in both directions; for TCP an established connection. */
  readonly assured: boolean;
  /** The host that replies: the endpoint if the destination was translated. */
  readonly answeredBy: { readonly address: Address; readonly port: number };
}

/** A value of selected bits of the connection mark. */
export interface Marked {
  readonly value: number;
  readonly mask: number;
}

/** A connection of any protocol with at least one untranslated end. */
export interface UntranslatedFlow {
  readonly family: number;
  readonly destination: Address;
  /** The host that replies. Differs from the destination if that was translated. */
  readonly target: Address;
  /** The source address that the target sees. */
  readonly seenAs: Address;
  /** `IPPROTO_*`. */
  readonly protocol: number;
  /** Absent for protocols without ports. */
  readonly destinationPort?: number;
  readonly sourceTranslated: boolean;
  readonly destinationTranslated: boolean;
  /** The original direction in the kernel's format, with its zone. The kernel finds the connection by it. */
  readonly key: readonly (readonly [type: number, value: Buffer])[];
}

/**
 * Returns the tracked connections of the namespace that lack a translation of either end. Throws {@link
 * NetlinkError}.
 */
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

/**
 * Deletes a connection returned by {@link listUntranslated}. Throws {@link NetlinkError} (`ENOENT`: it no longer
 * exists).
 */
export function deleteTracked(socket: NetlinkSocket, { family, key }: UntranslatedFlow): void {
  socket.request(type.delete, 0, (out) => {
    writeHeader(out, family);
    for (const [number, value] of key) out.push(number, value);
  });
}

/** Returns the tracked connections with ports, optionally only those with a mark. Throws {@link NetlinkError}. */
export function listConnections(socket: NetlinkSocket, marked?: Marked): Connection[] {
  return socket.request(type.get, flag.dump, writeFilter(marked)).flatMap(parseConnection);
}

/** Like {@link listConnections}, but yields between batches so that other work can run. Throws {@link NetlinkError}. */
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

/**
 * Deletes a connection; its next packet starts a new one. Throws {@link NetlinkError} (`ENOENT`: it no longer
 * exists).
 */
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

/** Deletes all connections of both families whose masked mark has this value. Throws {@link NetlinkError}. */
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
