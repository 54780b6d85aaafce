import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import {
  bindSocket,
  enterNetworkNamespace,
  openSocket,
  setSocketOption,
} from '../../../../src/base/linux/libc/calls.ts';
import { readFrame, type Seen } from './frames.ts';

/**
 * One end of a wire: a packet socket on an interface of a namespace, held by this process. Frames
 * go out and come in as they are, without a stack in between.
 */
export class Wire {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(2048);

  /** `index` of the interface in the namespace `netns`. */
  constructor(netns: string, index: number) {
    this.#fd = inNamespace(netns, () => openSocket(17, 3, 0x0300)); // AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)
    const address = new Uint8Array(20);
    const view = new DataView(address.buffer);
    view.setUint16(0, 17, true);
    view.setUint16(2, 0x0003);
    view.setInt32(4, index, true);
    bindSocket(this.#fd, address);
    // 1 s (struct timeval): long enough for a loaded machine, and only silence costs it.
    const timeout = Buffer.alloc(16);
    timeout.writeUInt32LE(1, 0);
    setSocketOption(this.#fd, 1, 20, timeout);
    // Not what we send ourselves (PACKET_IGNORE_OUTGOING).
    setSocketOption(this.#fd, 263, 23, Buffer.from([1, 0, 0, 0]));
  }

  send(frame: Uint8Array): void {
    writeSync(this.#fd, frame);
  }

  /** The next frame that matches; undefined after a second of silence. */
  receive(matches: (seen: Seen) => boolean): Seen | undefined {
    for (;;) {
      const length = this.#receive();
      if (length === undefined) return undefined;
      const seen = readFrame(this.#buffer.subarray(0, length));
      if (matches(seen)) return seen;
    }
  }

  /** Bytes of the next frame in the buffer; undefined after a second of silence. */
  #receive(): number | undefined {
    for (;;) {
      try {
        return readSync(this.#fd, this.#buffer);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code === 'EAGAIN') return undefined;
        if (code !== 'EINTR') throw error;
      }
    }
  }

  /** The next ARP requests, fewer after a second of silence: what each asks for, and where its frame goes. */
  receiveRequests(count: number): readonly { readonly target: string; readonly receiver: string }[] {
    const requests: { readonly target: string; readonly receiver: string }[] = [];
    while (requests.length < count) {
      const length = this.#receive();
      if (length === undefined) break;
      const frame = this.#buffer.subarray(0, length);
      if (frame.readUInt16BE(12) !== 0x0806 || frame.readUInt16BE(20) !== 1) continue;
      const receiver = frame.toString('hex', 0, 6).replace(/(..)(?=.)/g, '$1:');
      requests.push({ target: [...frame.subarray(38, 42)].join('.'), receiver });
    }
    return requests;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** As {@link inNamespace}, until a promise is settled; nothing else may open sockets meanwhile. */
export async function throughoutInNamespace<T>(name: string, run: () => Promise<T>): Promise<T> {
  const home = openSync('/proc/self/ns/net', 'r');
  const there = openSync(`/var/run/netns/${name}`, 'r');
  enterNetworkNamespace(there);
  try {
    return await run();
  } finally {
    enterNetworkNamespace(home);
    closeSync(home);
    closeSync(there);
  }
}

/** Runs something while this thread is in a named namespace. */
export function inNamespace<T>(name: string, run: () => T): T {
  const home = openSync('/proc/self/ns/net', 'r');
  const there = openSync(`/var/run/netns/${name}`, 'r');
  enterNetworkNamespace(there);
  try {
    return run();
  } finally {
    enterNetworkNamespace(home);
    closeSync(home);
    closeSync(there);
  }
}
