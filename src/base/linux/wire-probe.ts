import { closeSync, readSync, writeSync } from 'node:fs';
import { type Address, addressBytes, type Family } from '../model/address.ts';
import type { Link } from '../model/network.ts';
import type { Claimant } from '../model/observed.ts';
import {
  attachFilter,
  bindSocket,
  codeOf,
  type FilterStep,
  openSocket,
  pollReadable,
  setSocketOption,
} from './libc/calls.ts';
import {
  arpAnnouncement,
  arpRequest,
  etherType,
  neighbourSolicitation,
  readAdvertisement,
  readArp,
  readSolicitation,
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
  readonly #link: Pick<Link, 'index' | 'mac'>;
  readonly #mac: Buffer;
  readonly #receiveTimeout: number;
  #asked: ReadonlySet<string> = new Set();
  /** The last owners of addresses whose owners stay. */
  readonly #owners = new Map<string, string>();
  readonly #claimants = new Map<string, Claimant>();

  /**
   * Opens the sockets. Throws the system's error, for example if the link is down.
   *
   * @param receiveTimeout milliseconds that {@link listen} waits for a frame; 0: do not block
   */
  constructor(link: Pick<Link, 'index' | 'mac'>, questions: readonly WireQuestion[], receiveTimeout: number) {
    this.#link = link;
    this.#receiveTimeout = receiveTimeout;
    this.#mac = Buffer.from(link.mac.split(':').map((byte) => Number.parseInt(byte, 16)));
    try {
      this.change(questions);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Replaces the questions and keeps the sockets open. Throws the system's error. */
  change(questions: readonly WireQuestion[]): void {
    this.#asked = new Set(questions.map(({ address }) => address.text));
    for (const text of this.#owners.keys()) if (!this.#asked.has(text)) this.#owners.delete(text);
    for (const family of [4, 6] as const) {
      const own = questions.filter(({ address }) => address.family === family);
      const at = this.#channels.findIndex((channel) => channel.family === family);
      const [known] = at < 0 ? [] : this.#channels.splice(at, 1);
      if (known !== undefined && own.length === 0) closeSync(known.fd);
      if (own.length === 0) continue;
      this.#channels.push(openChannel(this.#link.index, family, this.#mac, own, this.#receiveTimeout, known?.fd));
    }
  }

  /** The sockets, for polling. */
  get fds(): readonly number[] {
    return this.#channels.map(({ fd }) => fd);
  }

  /** Sends all questions, or only those with or without a sender address. Receivers learn the sender address. */
  ask(which: 'all' | 'named' | 'anonymous' = 'all'): void {
    for (const { fd, requests } of this.#channels) {
      for (const request of requests) {
        if (which !== 'all' && request.isNamed !== (which === 'named')) continue;
        const owner = request.stays ? this.#owners.get(request.address) : undefined;
        send(fd, owner === undefined ? request.frame : sentTo(owner, request.frame));
      }
    }
  }

  /**
   * Asks everyone for the addresses whose last owner was asked alone and did not answer since {@link forget}. Another
   * machine may own them now. Returns whether there are any.
   */
  askSilent(): boolean {
    const answered = new Set(this.claimants.map(({ address }) => address.text));
    let isAny = false;
    for (const { fd, requests } of this.#channels) {
      for (const { address, frame } of requests) {
        if (answered.has(address) || !this.#owners.delete(address)) continue;
        send(fd, frame);
        isAny = true;
      }
    }
    return isAny;
  }

  /**
   * Announces that the link has an address, as the kernel does when a link comes up (RFC 5227 §2.3, RFC 4861 §7.2.6).
   * Families without requests are not announced. Throws the system's error.
   */
  announce(address: Address): void {
    const channel = this.#channels.find(({ family }) => family === address.family);
    if (channel === undefined) return;
    const write = address.family === 4 ? arpAnnouncement : unsolicitedAdvertisement;
    send(channel.fd, write(this.#mac, address));
  }

  /** Processes one frame per family. Returns whether there was any. */
  listen(): boolean {
    let isAny = false;
    // Polling is cheaper than an EAGAIN exception for each empty socket.
    const readable = this.#receiveTimeout === 0 ? pollReadable(this.fds) : this.fds;
    for (const { fd, read, requests } of this.#channels) {
      if (!readable.includes(fd)) continue;
      const frame = receive(fd);
      if (frame === undefined) continue;
      isAny = true;
      const claimant = read(frame);
      if (claimant === undefined || !this.#asked.has(claimant.address.text)) continue;
      if (claimant.mac === this.#link.mac) continue;
      const { text } = claimant.address;
      this.#claimants.set(`${text} ${claimant.mac}`, claimant);
      if (requests.some(({ address, stays }) => stays && address === text)) this.#owners.set(text, claimant.mac);
    }
    return isAny;
  }

  /** Other hosts that claim a requested address. */
  get claimants(): Claimant[] {
    return [...this.#claimants.values()];
  }

  /** Makes the next requests go to everyone. */
  forgetOwners(): void {
    this.#owners.clear();
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

/** A question as the frame that asks everyone. */
interface Request {
  readonly address: string;
  readonly frame: Buffer;
  readonly isNamed: boolean;
  readonly stays: boolean;
}

/** The open socket of one family and the frames that it sends. */
interface Channel {
  readonly family: Family;
  readonly fd: number;
  readonly requests: readonly Request[];
  readonly read: (frame: Buffer) => Claimant | undefined;
}

function openChannel(
  linkIndex: number,
  family: Family,
  mac: Buffer,
  questions: readonly WireQuestion[],
  receiveTimeout: number,
  known: number | undefined,
): Channel {
  const type = family === 4 ? etherType.arp : etherType.ipv6;
  const fd = known ?? openPacketSocket(linkIndex, type, receiveTimeout);
  try {
    attachFilter(fd, answersOf(family, questions));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const write = family === 4 ? arpRequest : neighbourSolicitation;
  const asked = questions.filter(({ hears }) => hears !== 'claims');
  return {
    family,
    fd,
    requests: asked.map((question) => ({
      address: question.address.text,
      frame: write(mac, question),
      isNamed: question.asker !== undefined,
      stays: family === 4 && question.stays === true,
    })),
    read: family === 4 ? readArp : (frame) => readAdvertisement(frame) ?? readSolicitation(frame),
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
    // PACKET_QDISC_BYPASS, because the queueing discipline of a suspended router drops all packets.
    setSocketOption(fd, 263, 20, Buffer.from([1, 0, 0, 0]));
    if (receiveTimeout === 0) {
      // SO_RCVBUF of 64 KiB. A few frames are enough, because most are requests between other hosts.
      setSocketOption(fd, 1, 8, Buffer.from(littleEndian ? [0, 0, 1, 0] : [0, 1, 0, 0]));
      return fd;
    }
    // struct timeval. Short, so that the caller can check its deadline.
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
const jump = 0x05;
const isEqual = 0x15;
const isAtLeast = 0x35;
const verdict = 0x06;
/** `SKF_AD_OFF + SKF_AD_PKTTYPE`: packet type. 0–2 are this host, broadcast and multicast. */
const packetType = 0xfffff004;
const otherHost = 3;

/**
 * Returns a filter for possible answers. Without it, the requests of 99 routers would wake the hundredth one on a node.
 * The filter also checks the fixed fields that {@link readArp} and {@link readAdvertisement} check, so that the kernel
 * drops forged messages before they use buffer space. Like the kernel's own stack, it drops frames for other hosts and
 * for VLANs that the link does not belong to.
 */
function answersOf(family: Family, questions: readonly WireQuestion[]): FilterStep[] {
  const accept = { code: verdict, k: 0xffff };
  const refuse = { code: verdict, k: 0 };
  const demand = (code: number, offset: number, value: number): FilterStep[] => [
    { code, k: offset },
    { code: isEqual, jt: 1, k: value },
    refuse,
  ];
  // Compares only the last four bytes; the full address is checked when the frame is read. Each comparison has its own
  // accept instruction, because the offset of a conditional jump is one byte.
  const compare = (offset: number, which: readonly WireQuestion[]): FilterStep[] => {
    const ends = new Set(
      which.map(({ address }) => Buffer.from(addressBytes(address)).readUInt32BE(family === 4 ? 0 : 12)),
    );
    return [{ code: load.word, k: offset }, ...[...ends].flatMap((k) => [{ code: isEqual, jf: 1, k }, accept])];
  };
  const forUs = [{ code: load.word, k: packetType }, { code: isAtLeast, jf: 1, k: otherHost }, refuse];
  if (family === 4) {
    // Ethernet and IPv4, with their lengths.
    const fixed = [...demand(load.word, 14, 0x0001_0800), ...demand(load.half, 18, 0x0604)];
    const claims = questions.filter(({ hears }) => hears !== 'answers');
    const reply = demand(load.half, 20, 2);
    return [...forUs, ...fixed, ...compare(28, claims), ...reply, ...compare(28, questions), refuse];
  }
  // ICMPv6 with a hop limit of 255, so no router forwarded it.
  const fixed = demand(load.half, 20, (58 << 8) | 255);
  const inAdvertisement = [...compare(74, questions), refuse];
  const inSolicitation = [...demand(load.half, 54, 135 << 8), ...compare(34, questions), refuse];
  // An unconditional jump, because the distance may exceed the range of a conditional one.
  const past = { code: jump, k: inAdvertisement.length };
  const isAdvertisement = [{ code: load.half, k: 54 }, { code: isEqual, jt: 1, k: 136 << 8 }, past];
  return [...forUs, ...fixed, ...isAdvertisement, ...inAdvertisement, ...inSolicitation];
}

/** Returns an ARP request to one host. */
function sentTo(owner: string, frame: Buffer): Buffer {
  return Buffer.concat([Buffer.from(owner.replaceAll(':', ''), 'hex'), frame.subarray(6)]);
}

/** Sends a frame. Ignores a full queue or missing carrier, because any frame may be lost. */
function send(fd: number, frame: Buffer): void {
  try {
    writeSync(fd, frame);
  } catch (error) {
    if (codeOf(error) !== 'ENOBUFS') throw error;
  }
}

function receive(fd: number): Buffer | undefined {
  const buffer = Buffer.alloc(2048);
  try {
    return buffer.subarray(0, readSync(fd, buffer));
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EAGAIN' || code === 'EINTR') return undefined;
    throw error;
  }
}
