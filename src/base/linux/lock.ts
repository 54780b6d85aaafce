import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { KernelError } from './kernel-error.ts';
import { tryLock } from './libc/calls.ts';
import { reasonOf } from './reason.ts';
import { ensureFolder, stateFolder } from './run-folder.ts';

/** Accessible to root only: a process that can open a lock can hold it and so keep a pod from terminating. */
const lockFolder = `${stateFolder}/locks`;
const waitMilliseconds = 20_000;
const pollMilliseconds = 20;
const abandonedMilliseconds = 600_000;

let held: number | undefined;

/** Whether child processes end with this process, as in the plugin's executable (`hack/build`). */
const childrenEndWithUs = process.execArgv.includes('--no-orphans');

/**
 * Returns the lock of this process for child processes that may outlive it. They inherit the lock, so the next call
 * waits for a child of a killed caller and never runs concurrently with it. Costs two milliseconds per child.
 */
export function lockForChildren(): number | undefined {
  return childrenEndWithUs ? undefined : held;
}

/** An exclusive lock on one network namespace. It ends with the process and its children. */
export class NamespaceLock {
  readonly #path: string;
  readonly #fd: number;

  /**
   * Waits for the lock. Throws {@link KernelError} (`busy`, `io`).
   *
   * @param patience milliseconds to wait, in which the thread does nothing else; 20 s by default
   */
  constructor(inode: number, netns: string, patience = waitMilliseconds) {
    this.#path = `${lockFolder}/net-${inode}`;
    this.#fd = this.#acquire(netns, patience);
    held = this.#fd;
  }

  /** Releases the lock. */
  release(): void {
    held = undefined;
    // Deleted while the lock is held: a waiting process notices that the file is gone and creates a new one.
    rmSync(this.#path, { force: true });
    closeSync(this.#fd);
    sweepLocks();
  }

  #acquire(netns: string, patience: number): number {
    for (const deadline = performance.now() + patience; ; pause(pollMilliseconds)) {
      const fd = this.#open(netns);
      // Each file is awaited separately, because a released lock is followed by another file.
      while (!tryLock(fd)) {
        if (performance.now() > deadline) {
          closeSync(fd);
          throw new KernelError(
            'busy',
            `Cannot lock the network namespace ${netns}: another call has worked in it for ${patience / 1000} s`,
          );
        }
        pause(pollMilliseconds);
      }
      if (this.#isCurrent(fd)) return fd;
      closeSync(fd);
    }
  }

  #open(netns: string): number {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    try {
      return openSync(this.#path, flags, 0o600);
    } catch {
      // The first lock after a reboot creates the folder.
    }
    try {
      ensureFolder(stateFolder);
      ensureFolder(lockFolder);
      return openSync(this.#path, flags, 0o600);
    } catch (cause) {
      throw new KernelError('io', `Cannot lock the network namespace ${netns}: ${reasonOf(cause)}`, { cause });
    }
  }

  #isCurrent(fd: number): boolean {
    try {
      return statSync(this.#path).ino === fstatSync(fd).ino;
    } catch {
      return false;
    }
  }
}

/** Deletes the locks of killed calls whose namespace has not been used since. */
function sweepLocks(): void {
  try {
    for (const name of readdirSync(lockFolder)) {
      const path = `${lockFolder}/${name}`;
      // A time in the future dates from before the clock was set back. Held locks are kept in any case.
      if (Math.abs(Date.now() - lstatSync(path).mtimeMs) < abandonedMilliseconds) continue;
      const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
      try {
        // A waiting process notices that the file is gone.
        if (tryLock(fd)) rmSync(path, { force: true });
      } finally {
        closeSync(fd);
      }
    }
  } catch {
    // Another call deleted it first.
  }
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
