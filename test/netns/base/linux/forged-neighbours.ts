import { addressBytes, parseAddress } from '../../../../src/base/model/address.ts';

/** What a frame with ARP is to say; by default it is a reply of `02:00:00:00:00:66` to all hosts. */
export interface ForgedArp {
  readonly sender?: string;
  readonly mac?: string;
  readonly operation?: number;
  readonly hardware?: number;
  readonly protocol?: number;
  readonly hardwareLength?: number;
  readonly protocolLength?: number;
  /** Last byte of the frame's source. */
  readonly frameSource?: number;
  readonly frameDestination?: string;
  readonly vlan?: number;
  /** Bytes behind the message. */
  readonly padding?: number;
}

/** What a frame with a neighbour advertisement is to say; by default one that is right, to all nodes. */
export interface ForgedAdvertisement {
  readonly target?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly hopLimit?: number;
  readonly version?: number;
  readonly nextHeader?: number;
  readonly code?: number;
  readonly flags?: number;
  /** What is added to the right one, or none at all. */
  readonly checksum?: number | 'none';
  /** Hexadecimal. */
  readonly options?: string;
  /** Of the packet, as its header says; what is there is cut down to it. */
  readonly length?: number;
  readonly vlan?: number;
  readonly padding?: number;
}

/** Makes a frame with ARP. */
export function forgedArp(want: ForgedArp): Buffer {
  const { mac = '02:00:00:00:00:66', frameSource = 0x66, frameDestination = 'ff:ff:ff:ff:ff:ff' } = want;
  const head = Buffer.alloc(8);
  head.writeUInt16BE(want.hardware ?? 1, 0);
  head.writeUInt16BE(want.protocol ?? 0x0800, 2);
  head.set([want.hardwareLength ?? 6, want.protocolLength ?? 4], 4);
  head.writeUInt16BE(want.operation ?? 2, 6);
  const sender = bytesOf(want.sender ?? '192.0.2.9');
  return Buffer.concat([
    macBytes(frameDestination),
    Buffer.from([2, 0, 0, 0, 0, frameSource]),
    tag(want.vlan),
    Buffer.from([0x08, 0x06]),
    head,
    macBytes(mac),
    sender,
    Buffer.alloc(6),
    sender,
    Buffer.alloc(want.padding ?? 0),
  ]);
}

/** Makes a frame with a neighbour advertisement. */
export function forgedAdvertisement(want: ForgedAdvertisement): Buffer {
  const target = bytesOf(want.target ?? '2001:db8::9');
  const source = bytesOf(want.source ?? '2001:db8::66');
  const destination = bytesOf(want.destination ?? 'ff02::1');
  const options = Buffer.from(want.options ?? '0201020000000066', 'hex');
  const whole = Buffer.concat([Buffer.from([136, want.code ?? 0, 0, 0, want.flags ?? 0x20, 0, 0, 0]), target, options]);
  const message = whole.subarray(0, want.length ?? whole.length);
  const length = want.length ?? message.length;
  const sum = sumOf(Buffer.concat([source, destination, Buffer.from([0, 0, 0, length, 0, 0, 0, 58]), message]));
  if (want.checksum !== 'none') message.writeUInt16BE((sum + (want.checksum ?? 0)) & 0xffff, 2);
  const isToOne = destination[0] !== 0xff;
  return Buffer.concat([
    isToOne ? macBytes('ff:ff:ff:ff:ff:ff') : Buffer.from([0x33, 0x33, ...destination.subarray(12)]),
    macBytes('02:00:00:00:00:66'),
    tag(want.vlan),
    Buffer.from([0x86, 0xdd, (want.version ?? 6) << 4, 0, 0, 0]),
    Buffer.from([0, length, want.nextHeader ?? 58, want.hopLimit ?? 255]),
    source,
    destination,
    message,
    Buffer.alloc(want.padding ?? 0),
  ]);
}

function sumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function tag(vlan: number | undefined): Buffer {
  return vlan === undefined ? Buffer.alloc(0) : Buffer.from([0x81, 0, 0, vlan]);
}

function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function bytesOf(text: string): Buffer {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return Buffer.from(addressBytes(address));
}
