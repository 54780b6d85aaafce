import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import type { NamespaceId } from '../model/network.ts';
import { KernelError } from './kernel-error.ts';
import { createNetworkNamespace, enterNetworkNamespace } from './libc/calls.ts';
import { NamespaceLock } from './lock.ts';
import { reasonOf } from './reason.ts';

const ownNamespace = '/proc/self/ns/net';

/**
 * A pod's network namespace, kept open and locked against other calls for the same pod. Between {@link enter} and
 * {@link leave} this thread is in the namespace: sockets opened and programs started then belong to it.
 */
export class PodNamespace {
  readonly id: NamespaceId;
  readonly fd: number;
  readonly #home: number;
  readonly #lock: NamespaceLock;

  /**
   * Opens the namespace. Throws {@link KernelError} (`namespace-gone`, `busy`).
   *
   * @param patience milliseconds to wait for another call; the lock's own by default
   */
  constructor(path: string, patience?: number) {
    this.fd = openNamespace(path);
    try {
      this.id = { path, inode: fstatSync(this.fd).ino };
      this.#lock = new NamespaceLock(this.id.inode, path, patience);
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

  /** Moves this thread back to its original namespace. Throws {@link KernelError}. */
  leave(): void {
    enterBy(this.#home, 'the network namespace of the container runtime');
  }

  /** Runs a function in a new, empty namespace that vanishes afterwards, and returns to the pod's namespace. */
  tryElsewhere<T>(run: () => T): T {
    createNetworkNamespace();
    try {
      return run();
    } finally {
      this.enter();
    }
  }

  /** Unlocks the namespace for other calls. */
  close(): void {
    closeSync(this.fd);
    closeSync(this.#home);
    this.#lock.release();
  }
}

/** Returns the namespace that a path currently refers to, or undefined if there is none. */
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
