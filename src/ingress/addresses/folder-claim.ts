import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FileLock } from '../../base/linux/file-lock.ts';
import { ensureFolder } from '../../base/linux/run-folder.ts';
import { isRecord } from '../../base/read/shape.ts';
import { addressFiles } from './documents.ts';

/** Milliseconds after which a document that its router did not renew is free for another router. */
const longestSilence = 10_000;

/**
 * The right to write the documents of `ingress-addresses`: one router of a node has it, although several share the
 * folder. The agents of one router pass it on in a handover. The kernel releases it with the process.
 */
export class FolderClaim {
  readonly #directory: string;
  readonly #router: string;
  #lock: FileLock | undefined;

  /** @param router `--name` of the agent */
  constructor(directory: string, router: string) {
    this.#directory = directory;
    this.#router = router;
  }

  get isHeld(): boolean {
    return this.#lock !== undefined;
  }

  /** Takes the right if it is free. Returns why not, or undefined if this agent has it. */
  take(): string | undefined {
    if (this.#lock !== undefined) return undefined;
    try {
      ensureFolder(this.#directory);
      const lock = FileLock.tryAcquire(join(this.#directory, 'router.lock'));
      // Without the lock, an agent of another router may be handing over to its next one.
      const obstacle = this.findRival();
      if (obstacle !== undefined) {
        lock?.release();
        return obstacle;
      }
      if (lock === undefined) return `another agent of this node uses ${this.#directory}; waiting for it to exit`;
      this.#lock = lock;
      return undefined;
    } catch (error) {
      return `cannot lock ${this.#directory}: ${(error as Error).message}`;
    }
  }

  release(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }

  /** Returns why this router may not take the right: another one renews the document. */
  findRival(): string | undefined {
    const document = this.readDocument();
    if (document === undefined || document.router === this.#router || document.age > longestSilence) return undefined;
    return `router "${document.router}" of this node uses ${this.#directory}, so no address of router "${this.#router}" is held here; set another --addresses-directory and --heartbeat-port, and run ingress-addresses with that directory`;
  }

  /** Returns the router that wrote the document, and the document's age in milliseconds. */
  readDocument(): { readonly router: string; readonly age: number } | undefined {
    const path = join(this.#directory, addressFiles.wanted);
    try {
      const age = Date.now() - statSync(path).mtimeMs;
      const written: unknown = JSON.parse(readFileSync(path, 'utf8'));
      return isRecord(written) && typeof written.router === 'string' ? { router: written.router, age } : undefined;
    } catch {
      return undefined;
    }
  }
}
