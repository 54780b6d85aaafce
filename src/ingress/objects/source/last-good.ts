import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../../../base/files/write-whole.ts';
import { versionOfFile } from './manifest-file.ts';

/** Milliseconds after which a good file is copied: off the way of changes. */
const delay = 500;

/**
 * Copies of manifest files as they were last good, so that a file that is broken when the agent starts keeps
 * what is in force for it. They can hold keys, so nobody else may read them.
 */
export class LastGoodFiles {
  readonly #folder: string;
  readonly #report: (problem: string | undefined) => void;
  /** Paths and versions of files that wait to be copied, by name. */
  readonly #waiting = new Map<string, { readonly path: string; readonly version: string }>();
  #timer: NodeJS.Timeout | undefined;

  /** @param report tells why copies cannot be kept */
  constructor(folder: string, report: (problem: string | undefined) => void) {
    this.#folder = folder;
    this.#report = report;
  }

  /** Where the copy of a file is; undefined where there is none. */
  find(name: string): string | undefined {
    const path = join(this.#folder, name);
    try {
      return versionOfFile(path) === undefined ? undefined : path;
    } catch {
      return undefined;
    }
  }

  /** Copies a file that is good as a whole, a little later, if it is still the same then. */
  keep(name: string, path: string, version: string): void {
    this.#waiting.set(name, { path, version });
    this.#timer ??= setTimeout(() => this.flush(), delay);
    this.#timer.unref();
  }

  /** Forgets copies of files that are none of these. */
  retain(names: readonly string[]): void {
    for (const name of this.#waiting.keys()) if (!names.includes(name)) this.#waiting.delete(name);
    this.#attempt(() => {
      for (const name of readdirSync(this.#folder)) if (!names.includes(name)) rmSync(join(this.#folder, name));
    });
  }

  /** Copies at once what waits. */
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
      // A folder or file that is not there yet, or any more, is nothing to tell.
      if ((error as { code?: unknown }).code === 'ENOENT') return;
      this.#report(`Cannot keep copies of good files in ${this.#folder}: ${(error as Error).message}`);
    }
  }
}
