import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import type { NamespaceId } from '../../model/state.ts';
import { KernelError } from '../port.ts';
import { createNetworkNamespace, enterNetworkNamespace, tryLock } from './libc/calls.ts';

const ownNamespace = '/proc/self/ns/net';
const lockWaitMilliseconds = 20_000;
const lockPollMilliseconds = 20;

/**
 * A pod's network namespace, held open and locked against other calls for the same pod. Between
 * {@link enter} and {@link leave} this thread is in it: sockets opened and programs started then
 * belong to it.
 */
export class PodNamespace {
  readonly id: NamespaceId;
  readonly fd: number;
  readonly #home: number;

  /** Opens the namespace. Throws {@link KernelError} (`namespace-gone`, `busy`). */
  constructor(path: string) {
    this.fd = openNamespace(path);
    try {
      this.id = { path, inode: fstatSync(this.fd).ino };
      lockNamespace(this.fd, path);
      this.#home = openSync(ownNamespace, constants.O_RDONLY);
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
  }

  /** Moves this thread into the pod's namespace. Throws {@link KernelError}. */
  enter(): void {
    enterBy(this.fd, `the network namespace ${this.id.path}`);
  }

  /** Moves this thread back to where it came from. Throws {@link KernelError}. */
  leave(): void {
    enterBy(this.#home, 'the network namespace of the container runtime');
  }

  /** Runs something in a new, empty namespace that vanishes afterwards, and returns to the pod's. */
  tryElsewhere<T>(run: () => T): T {
    createNetworkNamespace();
    try {
      return run();
    } finally {
      this.enter();
    }
  }

  /** Gives the namespace free for other calls. */
  close(): void {
    closeSync(this.fd);
    closeSync(this.#home);
  }
}

/** Which namespace a path leads to now; undefined where it leads to none. */
export function identifyNamespace(path: string): NamespaceId | undefined {
  try {
    return { path, inode: statSync(path).ino };
  } catch {
    return undefined;
  }
}

function openNamespace(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new KernelError('namespace-gone', `Cannot open the network namespace ${path}: ${reasonOf(cause)}`, { cause });
  }
}

function enterBy(fd: number, what: string): void {
  try {
    enterNetworkNamespace(fd);
  } catch (cause) {
    throw new KernelError('refused', `Cannot enter ${what}: ${reasonOf(cause)}`, { cause });
  }
}

/** The lock is on the namespace itself, so it ends with the process and leaves no file behind. */
function lockNamespace(fd: number, path: string): void {
  for (const deadline = Date.now() + lockWaitMilliseconds; !tryLock(fd); pause(lockPollMilliseconds)) {
    if (Date.now() > deadline) {
      throw new KernelError(
        'busy',
        `Cannot lock the network namespace ${path}: another call has worked in it for ${lockWaitMilliseconds / 1000} s`,
      );
    }
  }
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** What an error is about, in few words: its code, or its message. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && !error.message.includes(code) ? `${code}: ${error.message}` : error.message;
}
