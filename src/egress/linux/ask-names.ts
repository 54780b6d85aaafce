import { closeSync, readSync, writeSync } from 'node:fs';
import { codeOf, connectSocket, openSocket, setSocketOption } from '../../base/linux/libc/calls.ts';
import {
  answerPatience,
  largestNameMessage,
  type NameReply,
  type NameRequest,
  readNameReply,
} from '../model/name-request.ts';

const unixDomain = 1;
const streamSocket = 1;
const socketLevel = 1;
const option = { receiveTimeout: 20, sendTimeout: 21 } as const;

/** The node daemon's reply; `absent`: no daemon listens; `silent`: it did not answer in time. */
export type AskedNames = NameReply | 'absent' | 'silent';

/**
 * Asks the node daemon for addresses of names, and waits for at most {@link answerPatience}. Blocks; never throws.
 *
 * @param path the daemon's socket, in a folder that only root may access
 */
export function askNames(path: string, request: NameRequest): AskedNames {
  const deadline = performance.now() + answerPatience;
  let fd: number | undefined;
  try {
    fd = openSocket(unixDomain, streamSocket, 0);
    limit(fd, option.sendTimeout, deadline);
    const failure = connectSocket(fd, unixAddress(path));
    // A full queue of connections: the daemon is there.
    if (failure === 'EAGAIN') return 'silent';
    if (failure !== undefined) return 'absent';
    const text = Buffer.from(`${JSON.stringify(request)}\n`);
    for (let rest = text; rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
    const reply = readLine(fd, deadline);
    // It ended while it was asked.
    if (reply === '') return 'absent';
    return readNameReply(JSON.parse(reply)) ?? 'silent';
  } catch (error) {
    return codeOf(error) === 'EPIPE' || codeOf(error) === 'ECONNRESET' ? 'absent' : 'silent';
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function readLine(fd: number, deadline: number): string {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    limit(fd, option.receiveTimeout, deadline);
    const chunk = Buffer.alloc(64 * 1024);
    const count = readSync(fd, chunk);
    if (count === 0) break;
    total += count;
    chunks.push(chunk.subarray(0, count));
    if (total > largestNameMessage || chunk[count - 1] === 0x0a) break;
  }
  return Buffer.concat(chunks).toString();
}

/** Sets a timeout (`struct timeval`) to the time that is left, at least a millisecond: zero would be none. */
function limit(fd: number, name: number, deadline: number): void {
  const left = Math.max(1, Math.ceil(deadline - performance.now()));
  const time = BigInt64Array.of(BigInt(Math.floor(left / 1000)), BigInt((left % 1000) * 1000));
  setSocketOption(fd, socketLevel, name, new Uint8Array(time.buffer));
}

/** `struct sockaddr_un`. */
function unixAddress(path: string): Uint8Array {
  const bytes = Buffer.alloc(2 + 108);
  bytes[0] = unixDomain;
  bytes.write(path, 2, 107);
  return bytes;
}
