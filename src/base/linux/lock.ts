import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { KernelError } from './kernel-error.ts';
import { tryLock } from './libc/calls.ts';
import { reasonOf } from './reason.ts';
import { ensureFolder, stateFolder } from './run-folder.ts';

/** Root's alone: whoever could open a lock could hold it, and so keep a pod from ending. */
const lockFolder = `${stateFolder}/locks`;
const waitMilliseconds = 20_000;
const pollMilliseconds = 20;
const abandonedMilliseconds = 600_000;

let held: number | undefined;

/** Whether the programs that this process starts end with it, as the plugin's executable is built (`hack/build`). */
const childrenEndWithUs = process.execArgv.includes('--no-orphans');

/**
 * The lock that this process holds, for programs that may outlive it: they hold it, too, so that the next
 * call waits for a program whose caller was killed, and never works beside it. Costs two milliseconds
 * a program.
 */
export function lockForChildren(): number | undefined {
  return childrenEndWithUs ? undefined : held;
}

/** Keeps all other calls out of one network namespace; ends with the process and its children. */
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

  /** Lets the next one in. */
  release(): void {
    held = undefined;
    // While we hold it: who waits for it sees that its file is gone, and takes a new one.
    rmSync(this.#path, { force: true });
    closeSync(this.#fd);
    sweepLocks();
  }

  #acquire(netns: string, patience: number): number {
    for (const deadline = performance.now() + patience; ; pause(pollMilliseconds)) {
      const fd = this.#open(netns);
      // One wait for each file: a released lock's file is another one.
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
      // The folder is made for the first lock since the node started.
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

/** Removes the locks of calls that were killed, and whose namespace nobody worked in since. */
function sweepLocks(): void {
  try {
    for (const name of readdirSync(lockFolder)) {
      const path = `${lockFolder}/${name}`;
      // A time in the future is one from before the clock was set back; a lock that is held is left in any case.
      if (Math.abs(Date.now() - lstatSync(path).mtimeMs) < abandonedMilliseconds) continue;
      const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
      try {
        // Who waits for it sees that its file is gone.
        if (tryLock(fd)) rmSync(path, { force: true });
      } finally {
        closeSync(fd);
      }
    }
  } catch {
    // Another call was quicker.
  }
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
