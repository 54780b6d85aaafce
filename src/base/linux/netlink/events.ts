import { closeSync, readSync } from 'node:fs';
import { bindSocket, codeOf, openSocket } from '../libc/calls.ts';
import { littleEndian } from './attributes.ts';
import { netlinkFamily } from './socket.ts';

/** Multicast groups of rtnetlink as bits (`RTMGRP_*` of `<linux/rtnetlink.h>`). */
const groups = { link: 0x1, address4: 0x10, route4: 0x40, address6: 0x100, route6: 0x400 } as const;

const netlinkDomain = 16;
/** `SOCK_RAW | SOCK_NONBLOCK`. */
const nonBlockingRaw = 3 | 0o4000;

/** A kind of object in a network namespace whose changes can be observed. */
export type NetworkPart = keyof typeof groups;

/**
 * Reports that links, addresses or routes changed in the network namespace in which this object was created. It does
 * not report what changed, so the caller reads the current state.
 */
export class NetworkEvents {
  readonly fd: number;
  readonly #buffer = Buffer.allocUnsafe(16 * 1024);

  /** Opens the socket. Throws the system's error. */
  constructor(parts: readonly NetworkPart[]) {
    this.fd = openSocket(netlinkDomain, nonBlockingRaw, netlinkFamily.route);
    // struct sockaddr_nl
    const address = Buffer.alloc(12);
    const view = new DataView(address.buffer, address.byteOffset, address.length);
    view.setUint16(0, netlinkDomain, littleEndian);
    view.setUint32(
      8,
      parts.reduce((mask, part) => mask | groups[part], 0),
      littleEndian,
    );
    try {
      bindSocket(this.fd, address);
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
  }

  /** Reads pending notifications. Returns whether there were any. */
  drain(): boolean {
    for (let isAny = false; ; isAny = true) {
      try {
        readSync(this.fd, this.#buffer);
      } catch (error) {
        const code = codeOf(error);
        if (code === 'EAGAIN') return isAny;
        // Notifications exceeded the socket buffer (ENOBUFS): something changed, and the next read continues.
        if (code !== 'ENOBUFS' && code !== 'EINTR') throw error;
      }
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}
