import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../../../base/files/write-whole.ts';
import { versionOfFile } from './manifest-file.ts';

/** Delay in milliseconds before a valid file is copied, so that copying does not delay changes. */
const delay = 500;

/**
 * Copies of the last valid state of manifest files, so that a file that is invalid when the agent starts keeps its
 * objects. They may contain keys, so only the agent's user can read them.
 */
export class LastGoodFiles {
  readonly #folder: string;
  readonly #report: (problem: string | undefined) => void;
  /** Paths and versions of files to copy, by name. */
  readonly #waiting = new Map<string, { readonly path: string; readonly version: string }>();
  #timer: NodeJS.Timeout | undefined;

  /** @param report called with the reason why copies cannot be stored */
  constructor(folder: string, report: (problem: string | undefined) => void) {
    this.#folder = folder;
    this.#report = report;
  }

  /** Returns the path of a file's copy, or undefined if there is none. */
  find(name: string): string | undefined {
    const path = join(this.#folder, name);
    try {
      return versionOfFile(path) === undefined ? undefined : path;
    } catch {
      return undefined;
    }
  }

  /** Copies a completely valid file after a delay, if it has not changed by then. */
  keep(name: string, path: string, version: string): void {
    this.#waiting.set(name, { path, version });
    this.#timer ??= setTimeout(() => this.flush(), delay);
    this.#timer.unref();
  }

  /** Deletes copies of all other files. */
  retain(names: readonly string[]): void {
    for (const name of this.#waiting.keys()) if (!names.includes(name)) this.#waiting.delete(name);
    this.#attempt(() => {
      for (const name of readdirSync(this.#folder)) if (!names.includes(name)) rmSync(join(this.#folder, name));
    });
  }

  /** Copies pending files immediately. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    this.#attempt(() => {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      for (const [name, { path, version }] of this.#waiting) {
        this.#waiting.delete(name);
        const content = readFileSync(path);
        if (versionOfFile(path) === version) writeWhole(join(this.#folder, name), content, 0o600);
      }
    });
  }

  #attempt(work: () => void): void {
    try {
      work();
      this.#report(undefined);
    } catch (error) {
      // A folder or file that does not exist yet, or no longer, is not an error.
      if ((error as { code?: unknown }).code === 'ENOENT') return;
      this.#report(`Cannot store copies of valid files in ${this.#folder}: ${(error as Error).message}`);
    }
  }
}
