import { lazily } from '../../read/lazily.ts';
import { littleEndian } from '../netlink/attributes.ts';
import { type LoadedLibc, loadLibc } from './runtime.ts';

/** `CLONE_NEWNET` (`<sched.h>`): a network namespace. */
const cloneNewNet = 0x40000000;

/** A failed system call with libc's error name, such as `EPERM`. */
class SystemCallError extends Error {
  readonly call: string;
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errnoName(errno);
    super(`Cannot ${call}: ${code}`);
    this.name = 'SystemCallError';
    this.call = call;
    this.code = code;
  }
}

// Reversed, so that the older of two names for one number wins: EAGAIN, not EWOULDBLOCK.
const namesByErrno = lazily(
  () =>
    new Map<number, string>(
      Object.entries(process.getBuiltinModule('node:os').constants.errno)
        .reverse()
        .map(([name, value]) => [value, name]),
    ),
);

/** Returns libc's name of an error number: `EEXIST` for 17. */
export function errnoName(errno: number): string {
  return namesByErrno().get(errno) ?? `errno ${errno}`;
}

/** Returns the error name of a failed system call, or undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

let loaded: LoadedLibc | undefined;

/** Calls a function of libc. Throws {@link SystemCallError}. */
export function call(name: keyof typeof definitions, ...args: (number | Uint8Array)[]): number {
  loaded ??= loadLibc(definitions);
  const result = loaded.functions[name]?.(...args) ?? -1;
  if (result === -1) throw new SystemCallError(name, loaded.errno());
  return result;
}

const definitions = {
  setns: { args: ['int', 'int'] },
  unshare: { args: ['int'] },
  socket: { args: ['int', 'int', 'int'] },
  bind: { args: ['int', 'buffer', 'int'] },
  setsockopt: { args: ['int', 'int', 'int', 'buffer', 'int'] },
  flock: { args: ['int', 'int'] },
  connect: { args: ['int', 'buffer', 'int'] },
  poll: { args: ['buffer', 'int', 'int'] },
  openat: { args: ['int', 'buffer', 'int', 'int'] },
  renameat: { args: ['int', 'buffer', 'int', 'buffer'] },
  prctl: { args: ['int', 'int', 'int', 'int', 'int'] },
  capget: { args: ['buffer', 'buffer'] },
  capset: { args: ['buffer', 'buffer'] },
  // For `openat2`, which has no wrapper in libc.
  syscall: { args: ['int', 'int', 'buffer', 'buffer', 'int'] },
} as const;

/** Moves this thread into the network namespace behind an open file. Throws {@link SystemCallError}. */
export function enterNetworkNamespace(fd: number): void {
  call('setns', fd, cloneNewNet);
}

/** Moves this thread into a new, empty network namespace. Throws {@link SystemCallError}. */
export function createNetworkNamespace(): void {
  call('unshare', cloneNewNet);
}

/** Opens a socket, closed on exec; returns its file descriptor. Throws {@link SystemCallError}. */
export function openSocket(domain: number, type: number, protocol: number): number {
  const closeOnExec = 0o2000000;
  return call('socket', domain, type | closeOnExec, protocol);
}

/** Binds a socket to a raw `struct sockaddr`. Throws {@link SystemCallError}. */
export function bindSocket(fd: number, address: Uint8Array): void {
  call('bind', fd, address, address.length);
}

/** Sets a socket option from raw bytes. Throws {@link SystemCallError}. */
export function setSocketOption(fd: number, level: number, option: number, value: Uint8Array): void {
  call('setsockopt', fd, level, option, value, value.length);
}

/**
 * Returns which of some file descriptors can be read now, or have an error; never waits. One system call, where a read
 * of each that has nothing costs an exception. Throws {@link SystemCallError}.
 */
export function pollReadable(fds: readonly number[]): readonly number[] {
  // struct pollfd: int fd, short events, short revents.
  const bytes = new Uint8Array(fds.length * 8);
  const view = new DataView(bytes.buffer);
  const pollIn = 1;
  for (const [i, fd] of fds.entries()) {
    view.setInt32(i * 8, fd, littleEndian);
    view.setInt16(i * 8 + 4, pollIn, littleEndian);
  }
  if (fds.length === 0 || poll(bytes, fds.length) === 0) return [];
  return fds.filter((_, i) => view.getInt16(i * 8 + 6, littleEndian) !== 0);
}

/** Calls poll(2) again when a signal arrives meanwhile, such as that of a child process that has exited. */
function poll(bytes: Uint8Array, count: number): number {
  for (;;) {
    try {
      return call('poll', bytes, count, 0);
    } catch (error) {
      if (codeOf(error) !== 'EINTR') throw error;
    }
  }
}

/** An instruction of the classic BPF machine (`struct sock_filter`). */
export interface FilterStep {
  readonly code: number;
  /** Number of instructions to skip if a comparison is true, and if it is false. */
  readonly jt?: number;
  readonly jf?: number;
  readonly k: number;
}

/**
 * Attaches a filter to a socket, which then receives only the frames that the filter accepts (`SO_ATTACH_FILTER`).
 * Throws {@link SystemCallError}.
 */
export function attachFilter(fd: number, steps: readonly FilterStep[]): void {
  loaded ??= loadLibc(definitions);
  // struct sock_fprog followed by the instructions that it points to: one buffer keeps both alive during the call.
  const bytes = new Uint8Array(16 + steps.length * 8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, steps.length, littleEndian);
  view.setBigUint64(8, loaded.addressOf(bytes) + 16n, littleEndian);
  for (const [i, { code, jt = 0, jf = 0, k }] of steps.entries()) {
    const at = 16 + i * 8;
    view.setUint16(at, code, littleEndian);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, littleEndian);
  }
  setSocketOption(fd, 1, 26, bytes.subarray(0, 16));
}

/**
 * Connects a non-blocking socket to a raw `struct sockaddr`. Returns libc's error name, such as `EINPROGRESS`, or
 * undefined once it is connected. Call it again to poll the state.
 */
export function connectSocket(fd: number, address: Uint8Array): string | undefined {
  try {
    call('connect', fd, address, address.length);
    return undefined;
  } catch (error) {
    if (error instanceof SystemCallError) return error.code;
    throw error;
  }
}

/** Takes an exclusive advisory lock on an open file without waiting. Returns false if another process holds it. */
export function tryLock(fd: number): boolean {
  const lockExclusive = 2;
  const lockNonBlocking = 4;
  try {
    call('flock', fd, lockExclusive | lockNonBlocking);
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && error.code === 'EAGAIN') return false;
    throw error;
  }
}
