import { closeSync, constants, openSync } from 'node:fs';
import { tryLock } from './libc/calls.ts';

/**
 * An exclusive lock on a file, which the kernel releases when the process ends. The file must be in a folder that only
 * root may access, because every process that can open it can hold the lock.
 */
export class FileLock {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Creates the file if necessary. Returns undefined if another process holds the lock. Throws the system's error. */
  static tryAcquire(path: string): FileLock | undefined {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      if (tryLock(fd)) return new FileLock(fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
    return undefined;
  }

  release(): void {
    closeSync(this.#fd);
  }
}
