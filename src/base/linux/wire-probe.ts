import { closeSync, readSync, writeSync } from 'node:fs';
import { type Address, addressBytes, addressFromBytes, type Family } from '../model/address.ts';
import type { Link } from '../model/network.ts';
import type { Claimant } from '../model/observed.ts';
import { attachFilter, bindSocket, type FilterStep, openSocket, setSocketOption } from './libc/calls.ts';
import { littleEndian } from './netlink/attributes.ts';
import { formatMac } from './netlink/neighbour.ts';

/** A question to everybody on the wire: who has this address? */
export interface WireQuestion {
  readonly address: Address;
  /** Who asks; absent: nobody yet, as one asks for an address that one means to take (RFC 5227, RFC 4862). */
  readonly asker?: Address;
}

const packetDomain = 17;
const rawSocket = 3;
/** `SOCK_NONBLOCK`. */
const nonBlocking = 0o4000;
const etherType = { arp: 0x0806, ipv6: 0x86dd } as const;
const everybody = Buffer.alloc(6, 0xff);

/**
 * Asks questions by a link of the namespace that the thread is in, by ARP and neighbour discovery, and
 * returns everybody who answered within `milliseconds` after the first question. What the kernel
 * believes about its neighbours is not touched. Throws the system's error, such as a link that is down.
 */
export function askOnWire(link: Link, questions: readonly WireQuestion[], milliseconds: number): Claimant[] {
  const conversation = new WireConversation(link, questions, 20);
  try {
    // Twice: one frame may be lost, and a bridge may still have to learn us.
    for (let attempt = 0; attempt < 2; attempt++) {
      conversation.ask();
      for (const end = Date.now() + milliseconds / 2; Date.now() < end; ) conversation.listen();
    }
    return conversation.claimants;
  } finally {
    conversation.close();
  }
}

/**
 * Questions to everybody on a wire, and what is answered. Its sockets belong to the namespace that the
 * thread was in when it began; afterwards it may be anywhere.
 */
export class WireConversation {
  readonly #channels: Channel[] = [];
  readonly #link: Link;
  readonly #mac: Buffer;
  readonly #asked: ReadonlySet<string>;
  readonly #claimants = new Map<string, Claimant>();

  /**
   * Opens the sockets. Throws the system's error, such as a link that is down.
   *
   * @param receiveTimeout milliseconds that {@link listen} waits for a frame where there is none; 0: it never blocks
   */
  constructor(link: Link, questions: readonly WireQuestion[], receiveTimeout: number) {
    this.#link = link;
    this.#asked = new Set(questions.map(({ address }) => address.text));
    this.#mac = Buffer.from(link.mac.split(':').map((byte) => Number.parseInt(byte, 16)));
    try {
      for (const family of [4, 6] as const) {
        const own = questions.filter(({ address }) => address.family === family);
        if (own.length > 0) this.#channels.push(openChannel(link.index, family, this.#mac, own, receiveTimeout));
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Sends the questions: all, or only those that name an asker or do not. The others learn an asker's address by them. */
  ask(which: 'all' | 'named' | 'anonymous' = 'all'): void {
    for (const { fd, named, anonymous } of this.#channels) {
      const frames = { all: [...named, ...anonymous], named, anonymous }[which];
      for (const frame of frames) writeSync(fd, frame);
    }
  }

  /**
   * Tells everybody that the link has an address, as the kernel does when it comes up (RFC 5227 §2.3, RFC 4861
   * §7.2.6). Nothing is said of a family in which nothing was asked. Throws the system's error.
   */
  announce(address: Address): void {
    const channel = this.#channels.find(({ family }) => family === address.family);
    if (channel === undefined) return;
    const write = address.family === 4 ? arpAnnouncement : unsolicitedAdvertisement;
    writeSync(channel.fd, write(this.#mac, address));
  }

  /** Takes in one frame of each family; returns whether there was any. */
  listen(): boolean {
    let isAny = false;
    for (const { fd, read } of this.#channels) {
      const frame = receive(fd);
      if (frame === undefined) continue;
      isAny = true;
      const claimant = read(frame);
      if (claimant === undefined || !this.#asked.has(claimant.address.text)) continue;
      if (claimant.mac !== this.#link.mac) this.#claimants.set(`${claimant.address.text} ${claimant.mac}`, claimant);
    }
    return isAny;
  }

  /** Everybody else who said that an address that was asked for is theirs. */
  get claimants(): Claimant[] {
    return [...this.#claimants.values()];
  }

  /** Forgets who said so, for another round. */
  forget(): void {
    this.#claimants.clear();
  }

  /** Takes the kernel some milliseconds: it waits until nobody looks at a socket any more. */
  close(): void {
    for (const { fd } of this.#channels.splice(0)) closeSync(fd);
  }
}

/** An open socket for one family, with what is sent by it. */
interface Channel {
  readonly family: Family;
  readonly fd: number;
  readonly named: readonly Buffer[];
  readonly anonymous: readonly Buffer[];
  readonly read: (frame: Buffer) => Claimant | undefined;
}

function openChannel(
  linkIndex: number,
  family: Family,
  mac: Buffer,
  questions: readonly WireQuestion[],
  receiveTimeout: number,
): Channel {
  const fd = openPacketSocket(linkIndex, family === 4 ? etherType.arp : etherType.ipv6, receiveTimeout);
  try {
    attachFilter(fd, answersOf(family, questions));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const write = family === 4 ? arpRequest : neighbourSolicitation;
  return {
    family,
    fd,
    named: questions.filter(({ asker }) => asker !== undefined).map((question) => write(mac, question)),
    anonymous: questions.filter(({ asker }) => asker === undefined).map((question) => write(mac, question)),
    read: family === 4 ? readArp : readAdvertisement,
  };
}

function openPacketSocket(linkIndex: number, type: number, receiveTimeout: number): number {
  const bigEndianType = littleEndian ? ((type & 0xff) << 8) | (type >> 8) : type;
  const fd = openSocket(packetDomain, receiveTimeout === 0 ? rawSocket | nonBlocking : rawSocket, bigEndianType);
  try {
    // struct sockaddr_ll
    const address = Buffer.alloc(20);
    const view = new DataView(address.buffer, address.byteOffset, address.length);
    view.setUint16(0, packetDomain, littleEndian);
    view.setUint16(2, type);
    view.setInt32(4, linkIndex, littleEndian);
    bindSocket(fd, address);
    if (receiveTimeout === 0) {
      // What others ask each other is not worth keeping: a few frames (SO_RCVBUF).
      setSocketOption(fd, 1, 8, Buffer.from([0, 0x20, 0, 0]));
      return fd;
    }
    // struct timeval: short, so that the end of the wait is noticed.
    const timeout = Buffer.alloc(16);
    new DataView(timeout.buffer, timeout.byteOffset, 16).setBigInt64(8, BigInt(receiveTimeout * 1000), littleEndian);
    setSocketOption(fd, 1, 20, timeout);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

const load = { word: 0x20, byte: 0x30 } as const;
const isEqual = 0x15;
const verdict = 0x06;

/**
 * What can be an answer. Everybody on a wire asks everybody: of 100 routers on a node each would be woken
 * by the questions of the 99 others.
 */
function answersOf(family: Family, questions: readonly WireQuestion[]): FilterStep[] {
  // The end of an address says enough; the whole is compared by who reads the frame.
  const ends = new Set(
    questions.map(({ address }) => Buffer.from(addressBytes(address)).readUInt32BE(family === 4 ? 0 : 12)),
  );
  const accept = { code: verdict, k: 0xffff };
  const refuse = { code: verdict, k: 0 };
  // Pairs, so that no jump is longer than its byte.
  const compare = [...ends].flatMap((k) => [{ code: isEqual, jf: 1, k }, accept]);
  if (family === 4) return [{ code: load.word, k: 28 }, ...compare, refuse];
  const neighbourAdvertisement = [
    { code: load.byte, k: 20 },
    { code: isEqual, jt: 1, k: 58 },
    refuse,
    { code: load.byte, k: 54 },
    { code: isEqual, jt: 1, k: 136 },
    refuse,
  ];
  return [...neighbourAdvertisement, { code: load.word, k: 74 }, ...compare, refuse];
}

function receive(fd: number): Buffer | undefined {
  const buffer = Buffer.alloc(2048);
  try {
    return buffer.subarray(0, readSync(fd, buffer));
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === 'EAGAIN' || code === 'EINTR') return undefined;
    throw error;
  }
}

/** RFC 826; without an asker a probe of RFC 5227. */
function arpRequest(mac: Buffer, { address, asker }: WireQuestion): Buffer {
  return Buffer.concat([
    everybody,
    mac,
    Buffer.from([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]),
    mac,
    asker === undefined ? Buffer.alloc(4) : addressBytes(asker),
    Buffer.alloc(6),
    addressBytes(address),
  ]);
}

/** Who asks for the own address tells everybody where it is. */
function arpAnnouncement(mac: Buffer, address: Address): Buffer {
  return arpRequest(mac, { address, asker: address });
}

/** Any ARP packet names the sender's own address, a reply as well as a question. */
function readArp(frame: Buffer): Claimant | undefined {
  if (frame.length < 42 || frame.readUInt16BE(12) !== etherType.arp) return undefined;
  return { address: addressFromBytes(frame.subarray(28, 32)), mac: formatMac(frame.subarray(22, 28)) };
}

/** RFC 4861 §4.3; without an asker a probe of RFC 4862 §5.4. */
function neighbourSolicitation(mac: Buffer, { address, asker }: WireQuestion): Buffer {
  const target = addressBytes(address);
  const group = Buffer.from('ff0200000000000000000001ff000000', 'hex');
  group.set(target.subarray(13), 13);
  const source = asker === undefined ? Buffer.alloc(16) : Buffer.from(addressBytes(asker));
  const option = asker === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.from([1, 1]), mac]);
  const message = Buffer.concat([Buffer.from([135, 0, 0, 0, 0, 0, 0, 0]), target, option]);
  return neighbourMessage(mac, source, group, message);
}

/** RFC 4861 §4.4: of a router, since the pod forwards; not solicited; overrides what is known. */
function unsolicitedAdvertisement(mac: Buffer, address: Address): Buffer {
  const target = Buffer.from(addressBytes(address));
  const allNodes = Buffer.from('ff020000000000000000000000000001', 'hex');
  const message = Buffer.concat([Buffer.from([136, 0, 0, 0, 0xa0, 0, 0, 0]), target, Buffer.from([2, 1]), mac]);
  return neighbourMessage(mac, target, allNodes, message);
}

/** A frame with a message of neighbour discovery to a multicast group. */
function neighbourMessage(mac: Buffer, source: Buffer, group: Buffer, message: Buffer): Buffer {
  message.writeUInt16BE(checksum(source, group, message), 2);
  const header = Buffer.from([0x60, 0, 0, 0, 0, message.length, 58, 255]);
  return Buffer.concat([
    Buffer.from([0x33, 0x33, ...group.subarray(12)]),
    mac,
    Buffer.from([0x86, 0xdd]),
    header,
    source,
    group,
    message,
  ]);
}

/** RFC 8200 §8.1 */
function checksum(source: Buffer, destination: Buffer, message: Buffer): number {
  const pseudo = Buffer.concat([source, destination, Buffer.from([0, 0, 0, message.length, 0, 0, 0, 58]), message]);
  let sum = 0;
  for (let at = 0; at < pseudo.length; at += 2) sum += pseudo.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** A neighbour advertisement names its target; the option has the hardware address, else the frame. */
function readAdvertisement(frame: Buffer): Claimant | undefined {
  const isAdvertisement = frame.length >= 78 && frame[20] === 58 && frame[54] === 136;
  if (!isAdvertisement) return undefined;
  const hasOption = frame.length >= 86 && frame[78] === 2 && frame[79] === 1;
  return {
    address: addressFromBytes(frame.subarray(62, 78)),
    mac: formatMac(hasOption ? frame.subarray(80, 86) : frame.subarray(6, 12)),
  };
}
