import { closeSync, readSync, writeSync } from 'node:fs';
import { type Address, addressBytes, type Family } from '../model/address.ts';
import type { Link } from '../model/network.ts';
import type { Claimant } from '../model/observed.ts';
import { attachFilter, bindSocket, type FilterStep, openSocket, setSocketOption } from './libc/calls.ts';
import {
  arpAnnouncement,
  arpRequest,
  etherType,
  neighbourSolicitation,
  readAdvertisement,
  readArp,
  unsolicitedAdvertisement,
  type WireQuestion,
} from './neighbour-message.ts';
import { littleEndian } from './netlink/attributes.ts';

export type { WireQuestion } from './neighbour-message.ts';

const packetDomain = 17;
const rawSocket = 3;
/** `SOCK_NONBLOCK`. */
const nonBlocking = 0o4000;

/**
 * Sends ARP requests and neighbor solicitations on a link of the current network namespace, and returns all hosts
 * that answer within `milliseconds` after the first request. The kernel's neighbor table is not changed. Throws the
 * system's error, for example if the link is down.
 */
export function askOnWire(link: Link, questions: readonly WireQuestion[], milliseconds: number): Claimant[] {
  const conversation = new WireConversation(link, questions, 20);
  try {
    // Sent twice, because one frame may be lost and a bridge may first have to learn our address.
    for (let attempt = 0; attempt < 2; attempt++) {
      conversation.ask();
      for (const end = performance.now() + milliseconds / 2; performance.now() < end; ) conversation.listen();
    }
    return conversation.claimants;
  } finally {
    conversation.close();
  }
}

/**
 * Requests on a link and the answers to them. The sockets belong to the namespace in which this object was created;
 * afterwards the thread may be in any namespace.
 */
export class WireConversation {
  readonly #channels: Channel[] = [];
  readonly #link: Link;
  readonly #mac: Buffer;
  readonly #asked: ReadonlySet<string>;
  readonly #claimants = new Map<string, Claimant>();

  /**
   * Opens the sockets. Throws the system's error, for example if the link is down.
   *
   * @param receiveTimeout milliseconds that {@link listen} waits for a frame; 0: do not block
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

  /** Sends all requests, or only those with or without an asker. Other hosts learn the asker's address from them. */
  ask(which: 'all' | 'named' | 'anonymous' = 'all'): void {
    for (const { fd, named, anonymous } of this.#channels) {
      const frames = { all: [...named, ...anonymous], named, anonymous }[which];
      for (const frame of frames) writeSync(fd, frame);
    }
  }

  /**
   * Announces that the link has an address, as the kernel does when a link comes up (RFC 5227 §2.3, RFC 4861 §7.2.6).
   * Families without requests are not announced. Throws the system's error.
   */
  announce(address: Address): void {
    const channel = this.#channels.find(({ family }) => family === address.family);
    if (channel === undefined) return;
    const write = address.family === 4 ? arpAnnouncement : unsolicitedAdvertisement;
    writeSync(channel.fd, write(this.#mac, address));
  }

  /** Processes one frame per family. Returns whether there was any. */
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

  /** Other hosts that claim a requested address. */
  get claimants(): Claimant[] {
    return [...this.#claimants.values()];
  }

  /** Discards the claims before another round. */
  forget(): void {
    this.#claimants.clear();
  }

  /** Closes the sockets. This takes the kernel some milliseconds, because it waits until no CPU uses them. */
  close(): void {
    for (const { fd } of this.#channels.splice(0)) closeSync(fd);
  }
}

/** The open socket of one family and the frames that it sends. */
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
      // Requests between other hosts are not worth buffering: room for a few frames (SO_RCVBUF).
      setSocketOption(fd, 1, 8, Buffer.from([0, 0x20, 0, 0]));
      return fd;
    }
    // struct timeval. Short, so that the end of the wait is noticed.
    const timeout = Buffer.alloc(16);
    new DataView(timeout.buffer, timeout.byteOffset, 16).setBigInt64(8, BigInt(receiveTimeout * 1000), littleEndian);
    setSocketOption(fd, 1, 20, timeout);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

const load = { word: 0x20, half: 0x28, byte: 0x30 } as const;
const isEqual = 0x15;
const isAtLeast = 0x35;
const verdict = 0x06;
/** `SKF_AD_OFF + SKF_AD_PKTTYPE`: packet type. 0–2 are this host, broadcast and multicast. */
const packetType = 0xfffff004;
const otherHost = 3;

/**
 * Returns a filter for possible answers. All hosts of a link send requests: each of 100 routers on a node would be
 * woken by the requests of the other 99. The filter also checks the fixed fields that {@link readArp} and {@link
 * readAdvertisement} check, so the kernel drops forged messages before they use buffer space. Frames for other hosts,
 * or of a VLAN that this link does not belong to, are dropped as in the kernel's own stack.
 */
function answersOf(family: Family, questions: readonly WireQuestion[]): FilterStep[] {
  // The last bytes of an address suffice here; the whole address is compared when the frame is read.
  const ends = new Set(
    questions.map(({ address }) => Buffer.from(addressBytes(address)).readUInt32BE(family === 4 ? 0 : 12)),
  );
  const accept = { code: verdict, k: 0xffff };
  const refuse = { code: verdict, k: 0 };
  const demand = (code: number, offset: number, value: number): FilterStep[] => [
    { code, k: offset },
    { code: isEqual, jt: 1, k: value },
    refuse,
  ];
  const forUs = [{ code: load.word, k: packetType }, { code: isAtLeast, jf: 1, k: otherHost }, refuse];
  // In pairs, so that no jump exceeds its byte.
  const compare = [...ends].flatMap((k) => [{ code: isEqual, jf: 1, k }, accept]);
  const fixed =
    family === 4
      ? // Ethernet and IPv4, with their lengths.
        [...demand(load.word, 14, 0x0001_0800), ...demand(load.half, 18, 0x0604)]
      : // ICMPv6 that no router forwarded; a neighbor advertisement, code 0.
        [...demand(load.half, 20, (58 << 8) | 255), ...demand(load.half, 54, 136 << 8)];
  return [...forUs, ...fixed, { code: load.word, k: family === 4 ? 28 : 74 }, ...compare, refuse];
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
