import { join } from 'node:path';
import { FileLock } from '../../../base/linux/file-lock.ts';

/** Milliseconds between two attempts to take a lock. Much shorter than the lifetime of an address in the kernel. */
const interval = 50;

/**
 * Which of several processes works with a folder, its tables and its addresses: the one that holds `addresses.lock`. The
 * next one holds `successor.lock` while it waits, so that the active one knows that it may leave everything behind. The
 * kernel releases both locks with their process, so the successor also follows a process that was killed.
 */
export class Succession {
  readonly #folder: string;
  #turn: FileLock | undefined;
  #place: FileLock | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param folder accessible to root only */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Whether this process is the active one. */
  get isActive(): boolean {
    return this.#turn !== undefined;
  }

  /**
   * Calls back once, as soon as this process is the active one: during this call if there is no other process. Throws the
   * system's error in that case; later errors go to `onError`, and the next attempt follows.
   */
  await(onTurn: () => void, onError: (error: unknown) => void): void {
    if (this.#advance()) {
      onTurn();
      return;
    }
    this.#timer = setInterval(() => {
      try {
        if (!this.#advance()) return;
      } catch (error) {
        onError(error);
        return;
      }
      clearInterval(this.#timer);
      onTurn();
    }, interval);
  }

  /**
   * Stops waiting. Returns whether this process has become the active one in this moment, because the previous one left
   * everything to it: then it must work.
   */
  cancel(): boolean {
    clearInterval(this.#timer);
    this.#place?.release();
    this.#place = undefined;
    return this.#tryTurn();
  }

  /**
   * Makes the successor the active process. Returns false if there is none, and then this process is still the active
   * one.
   */
  yield(): boolean {
    if (this.#turn === undefined || !this.hasSuccessor) return false;
    this.#turn.release();
    this.#turn = undefined;
    // A successor that stops waiting releases its place and then tries to take the turn, so one of both sees the other.
    return this.hasSuccessor || !this.#tryTurn();
  }

  /** Whether another process waits. */
  get hasSuccessor(): boolean {
    const lock = FileLock.tryAcquire(join(this.#folder, 'successor.lock'));
    lock?.release();
    return lock === undefined;
  }

  /** Takes the successor's place and then the turn. Returns whether this process is the active one. */
  #advance(): boolean {
    // The place first: a later process must not overtake one that waits.
    this.#place ??= FileLock.tryAcquire(join(this.#folder, 'successor.lock'));
    if (this.#place === undefined || !this.#tryTurn()) return false;
    this.#place.release();
    this.#place = undefined;
    return true;
  }

  #tryTurn(): boolean {
    this.#turn ??= FileLock.tryAcquire(join(this.#folder, 'addresses.lock'));
    return this.isActive;
  }
}
