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
 * Writes a file atomically: to a temporary file, synced, renamed, and the folder synced. Readers see the old
 * or the new content, even after a power failure. Replaces a symbolic link and never follows it. Removes
 * temporary files of earlier runs. Throws the system's error.
 *
 * @param mode permissions, regardless of the umask
 */
export function writeWhole(path: string, content: string | Uint8Array, mode: number): void {
  const folder = dirname(path);
  const prefix = `.${basename(path)}.`;
  for (const name of readdirSync(folder)) {
    if (name.startsWith(prefix) && name.endsWith('.new')) rmSync(join(folder, name), { force: true });
  }
  // An unpredictable name.
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
 * Creates a file that must not exist, and syncs it. Follows no symbolic link. Throws the system's error.
 *
 * @param mode permissions, regardless of the umask
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

/** Syncs a folder, so that renames and removals in it survive a power failure. Throws the system's error. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
