import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Writes a file whole: under a temporary name beside it, synced, renamed, and the folder synced. A reader
 * sees the old or the new, also after a power cut; a link that stands there is replaced, never followed.
 * Temporary files that an earlier run left are removed. Throws what the system says.
 *
 * @param mode permissions, whatever the umask
 */
export function writeWhole(path: string, content: string | Uint8Array, mode: number): void {
  const folder = dirname(path);
  const prefix = `.${basename(path)}.`;
  for (const name of readdirSync(folder)) {
    if (name.startsWith(prefix) && name.endsWith('.new')) rmSync(join(folder, name), { force: true });
  }
  // A name that nobody could guess.
  const temporary = join(folder, `${prefix}${randomUUID()}.new`);
  try {
    writeNew(temporary, content, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(folder);
}

/**
 * Writes a file that must not be there, and syncs it; no link is followed. Throws what the system says.
 *
 * @param mode permissions, whatever the umask
 */
export function writeNew(path: string, content: string | Uint8Array, mode: number): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = openSync(path, flags, 0o600);
  try {
    for (let rest = Buffer.from(content); rest.length > 0; ) rest = rest.subarray(writeSync(file, rest));
    fchmodSync(file, mode);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes what was renamed or removed in a folder last through a power cut. Throws what the system says. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
