import { closeSync, readSync, writeSync } from 'node:fs';
import { connectSocket, openSocket } from '../../base/linux/libc/calls.ts';
import { familyNumber, littleEndian } from '../../base/linux/netlink/attributes.ts';
import { type Address, addressBytes } from '../../base/model/address.ts';

/** Target of a connection or datagram. */
export interface ConnectionTarget {
  readonly protocol: 'tcp' | 'udp';
  readonly address: Address;
  /** 1–65535. */
  readonly port: number;
}

/** Result of an attempt. */
export interface ConnectionOutcome {
  /** `connected`, for a datagram `answered` or `no answer`, or libc's error name, such as `ETIMEDOUT`. */
  readonly outcome: string;
  /** Milliseconds. */
  readonly took: number;
}

const socketType = { tcp: 1, udp: 2 } as const;
const nonBlocking = 0o4000;
const pauseMilliseconds = 5;

/** Milliseconds to wait: two retransmissions of a SYN. Many services do not answer an unknown datagram. */
const longestWaits = { tcp: 3500, udp: 1000 } as const;

/** One attempt in progress. */
interface Attempt {
  readonly target: ConnectionTarget;
  readonly fd: number;
  readonly address: Uint8Array;
  outcome?: ConnectionOutcome;
}

/**
 * Opens TCP connections from the current network namespace, all at once, and closes each without sending data; or
 * sends one datagram with a line break. Returns when each has a result, after 3.5 s at most. Uses libc directly,
 * because runtimes do not always report the actual error.
 */
export function tryConnections(targets: readonly ConnectionTarget[]): ConnectionOutcome[] {
  const attempts: Attempt[] = [];
  const began = performance.now();
  try {
    for (const target of targets) attempts.push(begin(target));
    for (;;) {
      const took = Math.round(performance.now() - began);
      for (const attempt of attempts) {
        const outcome = attempt.outcome === undefined ? look(attempt, took) : undefined;
        if (outcome !== undefined) attempt.outcome = { outcome, took };
      }
      const outcomes = attempts.flatMap(({ outcome }) => outcome ?? []);
      if (outcomes.length === attempts.length) return outcomes;
      pause();
    }
  } finally {
    for (const { fd } of attempts) closeSync(fd);
  }
}

function begin(target: ConnectionTarget): Attempt {
  const { protocol } = target;
  const fd = openSocket(familyNumber(target.address.family), socketType[protocol] | nonBlocking, 0);
  const attempt: Attempt = { target, fd, address: socketAddress(target) };
  const reason = connectSocket(fd, attempt.address);
  if (reason !== undefined && reason !== 'EINPROGRESS') attempt.outcome = { outcome: reason, took: 0 };
  else if (protocol === 'udp') send(attempt);
  return attempt;
}

/** Sends one datagram on a connected socket, so that ICMP errors are reported. */
function send(attempt: Attempt): void {
  try {
    writeSync(attempt.fd, '\n');
  } catch (error) {
    attempt.outcome = { outcome: codeOf(error), took: 0 };
  }
}

/** Returns the result of an attempt, or undefined while it is in progress. */
function look({ target, fd, address }: Attempt, took: number): string | undefined {
  const isLate = took >= longestWaits[target.protocol];
  if (target.protocol === 'udp') return receive(fd) ?? (isLate ? 'no answer' : undefined);
  const reason = connectSocket(fd, address);
  if (reason === undefined || reason === 'EISCONN') return 'connected';
  if (reason !== 'EINPROGRESS' && reason !== 'EALREADY') return reason;
  return isLate ? 'ETIMEDOUT' : undefined;
}

function receive(fd: number): string | undefined {
  try {
    readSync(fd, Buffer.alloc(1));
    return 'answered';
  } catch (error) {
    const code = codeOf(error);
    return code === 'EAGAIN' ? undefined : code;
  }
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : String(error);
}

/** `struct sockaddr_in` or `sockaddr_in6`. */
function socketAddress({ address, port }: ConnectionTarget): Uint8Array {
  const bytes = Buffer.alloc(address.family === 4 ? 16 : 28);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint16(0, familyNumber(address.family), littleEndian);
  view.setUint16(2, port);
  bytes.set(addressBytes(address), address.family === 4 ? 4 : 8);
  return bytes;
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMilliseconds);
}
