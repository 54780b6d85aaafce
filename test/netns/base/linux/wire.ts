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
      let length: number;
      try {
        length = readSync(this.#fd, this.#buffer);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code === 'EAGAIN') return undefined;
        if (code === 'EINTR') continue;
        throw error;
      }
      const seen = readFrame(this.#buffer.subarray(0, length));
      if (matches(seen)) return seen;
    }
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
