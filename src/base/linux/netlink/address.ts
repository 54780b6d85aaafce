// A separate codec, because loading the package's takes too long for an ADD: README.md.
import type { AttrStream } from 'netlink/dist/structs.js';
import { addressFromBytes, lastAddressOf, type Prefix } from '../../model/address.ts';
import { familyNumber, littleEndian, pushAddress, pushNumber, readAttributes } from './attributes.ts';
import { flag, type NetlinkSocket } from './socket.ts';

const type = { newAddress: 20, deleteAddress: 21, getAddress: 22 } as const;
const attribute = { address: 1, local: 2, broadcast: 4, cacheInfo: 6, flags: 8 } as const;
const noDuplicateDetection = 0x02;
/** Lifetime of a permanent address. */
const forever = 0xffff_ffff;

/** An address with the index of its link. */
export interface IndexedAddress {
  readonly linkIndex: number;
  readonly prefix: Prefix;
  /** Seconds until the kernel removes the address. Absent: it stays. */
  readonly validSeconds?: number;
}

/**
 * Returns the addresses of the socket's namespace. If the socket uses strict checking and the kernel supports it,
 * only those of one link. Throws {@link NetlinkError}.
 */
export function listAddresses(socket: NetlinkSocket, linkIndex = 0): IndexedAddress[] {
  return socket
    .request(type.getAddress, flag.dump, (out) => {
      // struct ifaddrmsg
      const header = Buffer.alloc(8);
      new DataView(header.buffer, header.byteOffset).setUint32(4, linkIndex, littleEndian);
      out.emit(header);
    })
    .flatMap(({ data }) => {
      const attributes = readAttributes(data.subarray(8));
      // On point-to-point links `address` is the peer's and `local` is ours.
      const bytes = attributes.get(attribute.local) ?? attributes.get(attribute.address);
      if (bytes === undefined) return [];
      const linkIndex = new DataView(data.buffer, data.byteOffset, 8).getUint32(4, littleEndian);
      const prefix = { address: addressFromBytes(bytes), length: data[1] ?? 0 };
      const cacheInfo = attributes.get(attribute.cacheInfo);
      const valid = cacheInfo && new DataView(cacheInfo.buffer, cacheInfo.byteOffset).getUint32(4, littleEndian);
      return [{ linkIndex, prefix, ...(valid !== undefined && valid !== forever && { validSeconds: valid }) }];
    });
}

/**
 * Adds an address. An IPv6 address is usable at once: duplicate address detection would delay the pod by a second or
 * more, and the address is reserved for this router. Throws {@link NetlinkError} (`EEXIST`: the address exists).
 */
export function addAddress(socket: NetlinkSocket, linkIndex: number, prefix: Prefix): void {
  socket.request(type.newAddress, flag.create | flag.exclusive, (out: AttrStream) => {
    writeAddress(out, linkIndex, prefix);
    if (prefix.address.family === 6) pushNumber(out, attribute.flags, noDuplicateDetection);
    else if (prefix.length < 31) pushAddress(out, attribute.broadcast, lastAddressOf(prefix));
  });
}

/**
 * Adds an address that the kernel removes after some seconds unless this is called again. It is never preferred as a
 * source address (IPv6: preferred lifetime 0, RFC 4862 §5.5.4). An IPv6 address is usable at once. Throws {@link
 * NetlinkError}.
 */
export function setTemporaryAddress(
  socket: NetlinkSocket,
  linkIndex: number,
  prefix: Prefix,
  validSeconds: number,
): void {
  socket.request(type.newAddress, flag.create | flag.replace, (out: AttrStream) => {
    writeAddress(out, linkIndex, prefix);
    if (prefix.address.family === 6) pushNumber(out, attribute.flags, noDuplicateDetection);
    // struct ifa_cacheinfo: preferred, valid, created, updated. IPv4 has no use for deprecated addresses.
    const cacheInfo = Buffer.alloc(16);
    const view = new DataView(cacheInfo.buffer, cacheInfo.byteOffset, cacheInfo.length);
    view.setUint32(0, prefix.address.family === 6 ? 0 : validSeconds, littleEndian);
    view.setUint32(4, validSeconds, littleEndian);
    out.push(attribute.cacheInfo, cacheInfo);
  });
}

/** Deletes an address. Throws {@link NetlinkError} (`EADDRNOTAVAIL`: the link does not have this address). */
export function deleteAddress(socket: NetlinkSocket, linkIndex: number, prefix: Prefix): void {
  socket.request(type.deleteAddress, 0, (out: AttrStream) => writeAddress(out, linkIndex, prefix));
}

/** `struct ifaddrmsg` and the address. */
function writeAddress(out: AttrStream, linkIndex: number, prefix: Prefix): void {
  const header = Buffer.alloc(8);
  header[0] = familyNumber(prefix.address.family);
  header[1] = prefix.length;
  new DataView(header.buffer, header.byteOffset).setUint32(4, linkIndex, littleEndian);
  out.emit(header);
  pushAddress(out, attribute.local, prefix.address);
  pushAddress(out, attribute.address, prefix.address);
}
