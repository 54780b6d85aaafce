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
  // A name that nobody could guess, and that must not be there: no link is followed.
  const temporary = join(folder, `${prefix}${randomUUID()}.new`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = openSync(temporary, flags, 0o600);
  try {
    for (let rest = Buffer.from(content); rest.length > 0; ) rest = rest.subarray(writeSync(file, rest));
    fchmodSync(file, mode);
    fsyncSync(file);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  syncFolder(folder);
}

/** Makes what was renamed or removed in a folder last through a power cut. */
function syncFolder(folder: string): void {
  const handle = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
