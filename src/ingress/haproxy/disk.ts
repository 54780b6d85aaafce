import { mkdir, open, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Content, Files } from './files.ts';

/**
 * The folder of one HAProxy. `current` is a link to the generation of files that HAProxy has loaded; the supervisor
 * keeps it up to date. Only the supervisor can read the folder.
 */
export class Disk {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  /** Returns the folder of the current generation, or undefined. */
  async current(): Promise<string | undefined> {
    try {
      return await readlink(this.path('current'));
    } catch {
      return undefined;
    }
  }

  /** Writes a new generation next to the others. */
  async create(generation: string, files: Files): Promise<void> {
    await rm(this.path(generation), { recursive: true, force: true });
    for (const folder of ['conf', 'maps', 'certs', 'ca', 'lua', 'pages', 'state']) {
      await mkdir(this.path(generation, folder), { recursive: true, mode: 0o700 });
    }
    await this.#each(files, async (path, content) => {
      await writeContent(this.path(generation, path), content);
    });
  }

  /** Makes a generation the one that HAProxy loads next. */
  async use(generation: string): Promise<void> {
    const link = this.path(`current.${process.pid}`);
    await rm(link, { force: true });
    await symlink(generation, link);
    await rename(link, this.path('current'));
  }

  async remove(generation: string): Promise<void> {
    await rm(this.path(generation), { recursive: true, force: true });
  }

  /** Deletes all generations but one, including those of killed supervisors. */
  async removeOthers(generation: string): Promise<void> {
    const names = await readdir(this.directory);
    for (const name of names) if (name.startsWith('gen-') && name !== generation) await this.remove(name);
  }

  /** Replaces files of a generation, each atomically. Undefined deletes a file. */
  async update(generation: string, files: ReadonlyMap<string, Content | undefined>): Promise<void> {
    await this.#each(files, async (path, content) => {
      const target = this.path(generation, path);
      if (content === undefined) return await rm(target, { force: true });
      const temporary = join(dirname(target), `.new-${process.pid}`.concat(path.replaceAll('/', '-')));
      await writeContent(temporary, content);
      await rename(temporary, target);
    });
  }

  /**
   * Writes a few files at a time: 5,000 certificates would otherwise need as many file descriptors. After an error no
   * write is under way any more, so that the folder can be deleted.
   */
  async #each<T>(files: ReadonlyMap<string, T>, write: (path: string, content: T) => Promise<void>): Promise<void> {
    const entries = [...files];
    const lanes = Array.from({ length: 8 }, async () => {
      try {
        for (let entry = entries.pop(); entry !== undefined; entry = entries.pop()) await write(...entry);
      } catch (error) {
        entries.length = 0;
        throw error;
      }
    });
    for (const lane of await Promise.allSettled(lanes)) if (lane.status === 'rejected') throw lane.reason;
  }
}

/** Writes a file that only this user can read, piece by piece, with other tasks in between. */
async function writeContent(path: string, content: Content): Promise<void> {
  if (typeof content === 'string') return await writeFile(path, content, { mode: 0o600 });
  const file = await open(path, 'w', 0o600);
  try {
    for (const piece of content()) await file.writeFile(piece);
  } finally {
    await file.close();
  }
}
