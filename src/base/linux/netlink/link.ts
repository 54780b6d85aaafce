// A separate codec, because loading the package's takes too long for an ADD: README.md.
import type { AttrStream } from 'netlink/dist/structs.js';
import { isLinkType, type LinkKind } from '../../model/link-kind.ts';
import type { Link } from '../../model/network.ts';
import { littleEndian, pushNumber, pushText, readAttributes, readNumber, readText } from './attributes.ts';
import { pushLinkKind, readLinkKind, readLinkType } from './link-kinds.ts';
import { flag, NetlinkError, type NetlinkReply, type NetlinkSocket } from './socket.ts';

const type = { newLink: 16, deleteLink: 17, getLink: 18 } as const;
const attribute = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  controller: 10,
  info: 18,
  alias: 20,
  netnsFd: 28,
  extendedMask: 29,
} as const;
/** `RTEXT_FILTER_SKIP_STATS`: statistics make up most of a link message, and nothing here uses them. */
const skipStatistics = 8;
const interfaceUp = 1;
/** `IFF_LOWER_UP`: the link has a carrier. */
const lowerUp = 0x10000;

/** All links of the socket's namespace. Throws {@link NetlinkError}. */
export function listLinks(socket: NetlinkSocket): Link[] {
  return socket
    .request(type.getLink, flag.dump, (out) => {
      writeHeader(out, 0, 0, 0);
      pushNumber(out, attribute.extendedMask, skipStatistics);
    })
    .map(parseLink);
}

/** Returns the link with this name, or undefined if the socket's namespace has none. Throws {@link NetlinkError}. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    const [reply] = socket.request(type.getLink, 0, (out) => {
      writeHeader(out, 0, 0, 0);
      pushNumber(out, attribute.extendedMask, skipStatistics);
      pushText(out, attribute.name, name);
    });
    const link = reply && parseLink(reply);
    // The kernel also finds links by their alternative names.
    return link?.name === name ? link : undefined;
  } catch (error) {
    if (error instanceof NetlinkError && (error.code === 'ENODEV' || error.code === 'ERANGE')) return undefined;
    throw error;
  }
}

/** A new link on a master. */
export interface LinkRequest {
  readonly name: string;
  /** Index of the master in the socket's namespace. */
  readonly masterIndex: number;
  readonly kind: LinkKind;
  readonly mtu: number;
  readonly mac?: string;
  /** Open file of the namespace in which the link is created. */
  readonly netnsFd: number;
}

/**
 * Creates a link on a master of the socket's namespace directly in another namespace, so that it never appears
 * on the node. Throws {@link NetlinkError} (`EEXIST`: the name is taken there; `EBUSY`: a bridge or bond uses the
 * master; `EINVAL`: a passthru link uses the whole master).
 */
export function createLink(socket: NetlinkSocket, link: LinkRequest): void {
  socket.request(type.newLink, flag.create | flag.exclusive, (out) => {
    writeHeader(out, 0, 0, 0);
    pushText(out, attribute.name, link.name);
    pushNumber(out, attribute.link, link.masterIndex);
    pushNumber(out, attribute.mtu, link.mtu);
    if (link.mac !== undefined) out.push(attribute.address, parseMacBytes(link.mac));
    pushNumber(out, attribute.netnsFd, link.netnsFd);
    out.push(attribute.info, (info: AttrStream) => pushLinkKind(info, link.kind));
  });
}

/** Deletes a link. Throws {@link NetlinkError} (`ENODEV`: it does not exist). */
export function deleteLink(socket: NetlinkSocket, index: number): void {
  socket.request(type.deleteLink, 0, (out) => writeHeader(out, index, 0, 0));
}

/** Sets a link's alias. Throws {@link NetlinkError}. */
export function setLinkAlias(socket: NetlinkSocket, index: number, alias: string): void {
  socket.request(type.newLink, 0, (out) => {
    writeHeader(out, index, 0, 0);
    out.push(attribute.alias, Buffer.from(alias));
  });
}

/**
 * Sets name and alias of a link that is down, in one request. Throws {@link NetlinkError} (`EEXIST`: the name is in
 * use).
 */
export function claimLink(socket: NetlinkSocket, index: number, alias: string, name: string): void {
  socket.request(type.newLink, 0, (out) => {
    writeHeader(out, index, 0, 0);
    pushText(out, attribute.name, name);
    out.push(attribute.alias, Buffer.from(alias));
  });
}

/**
 * Sets a link's hardware address. Setting the current one is useful, too: the kernel then announces the link's
 * addresses if `arp_notify` and `ndisc_notify` are set. Throws {@link NetlinkError}.
 */
export function setLinkMac(socket: NetlinkSocket, index: number, mac: string): void {
  socket.request(type.newLink, 0, (out) => {
    writeHeader(out, index, 0, 0);
    out.push(attribute.address, parseMacBytes(mac));
  });
}

function parseMacBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

/** Sets a link up or down. Throws {@link NetlinkError} (`ENETDOWN`: the master is down). */
export function setLinkUp(socket: NetlinkSocket, index: number, up: boolean): void {
  socket.request(type.newLink, 0, (out) => writeHeader(out, index, up ? interfaceUp : 0, interfaceUp));
}

/** `struct ifinfomsg`. */
function writeHeader(out: AttrStream, index: number, flags: number, change: number): void {
  const header = Buffer.alloc(16);
  const view = new DataView(header.buffer, header.byteOffset);
  view.setInt32(4, index, littleEndian);
  view.setUint32(8, flags, littleEndian);
  view.setUint32(12, change, littleEndian);
  out.emit(header);
}

function parseLink({ data }: NetlinkReply): Link {
  const view = new DataView(data.buffer, data.byteOffset, 16);
  const attributes = readAttributes(data.subarray(16));
  const info = readAttributes(attributes.get(attribute.info) ?? Buffer.alloc(0));
  const kind = readLinkType(info);
  const alias = readText(attributes, attribute.alias);
  const parentIndex = readNumber(attributes, attribute.link);
  const memberOf = readNumber(attributes, attribute.controller);
  const settings = isLinkType(kind) ? readLinkKind(kind, info) : undefined;
  const flags = view.getUint32(8, littleEndian);
  const up = (flags & interfaceUp) !== 0;
  return {
    index: view.getInt32(4, littleEndian),
    name: readText(attributes, attribute.name) ?? '',
    up,
    mtu: readNumber(attributes, attribute.mtu) ?? 0,
    mac: [...(attributes.get(attribute.address) ?? [])].map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
    ...(up && (flags & lowerUp) === 0 ? { carrier: false } : {}),
    ...(alias === undefined ? {} : { alias }),
    ...(kind === undefined ? {} : { kind }),
    ...(settings === undefined ? {} : { settings }),
    ...(parentIndex === undefined ? {} : { parentIndex }),
    ...(memberOf === undefined ? {} : { memberOf }),
  };
}
