// A separate codec, because loading the package's takes too long for an ADD: README.md.
import type { Neighbour, NeighbourState } from '../../model/observed.ts';
import { littleEndian, readAddress, readAttributes } from './attributes.ts';
import { flag, type NetlinkSocket } from './socket.ts';

const getNeighbour = 30;
const attribute = { destination: 1, linkAddress: 2 } as const;
const headerLength = 12;

/** `NUD_*` of `<linux/neighbour.h>`. */
const states: readonly (readonly [bit: number, name: NeighbourState])[] = [
  [0x01, 'incomplete'],
  [0x02, 'reachable'],
  [0x04, 'stale'],
  [0x08, 'delay'],
  [0x10, 'probe'],
  [0x20, 'failed'],
  [0x40, 'noarp'],
  [0x80, 'permanent'],
];

/** Returns the neighbor entries of both families in the socket's namespace. Throws {@link NetlinkError}. */
export function listNeighbours(socket: NetlinkSocket): Neighbour[] {
  return socket
    .request(getNeighbour, flag.dump, (out) => out.emit(Buffer.alloc(headerLength)))
    .flatMap(({ data }) => {
      const view = new DataView(data.buffer, data.byteOffset, headerLength);
      const attributes = readAttributes(data.subarray(headerLength));
      const bytes = attributes.get(attribute.destination);
      if (bytes === undefined || (bytes.length !== 4 && bytes.length !== 16)) return [];
      const address = readAddress(attributes, attribute.destination);
      if (address === undefined) return [];
      const bits = view.getUint16(8, littleEndian);
      const mac = attributes.get(attribute.linkAddress);
      return [
        {
          linkIndex: view.getInt32(4, littleEndian),
          address,
          state: states.find(([bit]) => (bits & bit) !== 0)?.[1] ?? 'none',
          ...(mac !== undefined && { mac: formatMac(mac) }),
        },
      ];
    });
}

/** Formats a hardware address as `ip` does. */
export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
