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
import { open, rm } from 'node:fs/promises';
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
  const temporary = makeTemporary(folder, path);
  try {
    writeNew(temporary, content, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(folder);
}

/** Returns an unpredictable name for a temporary file, and removes those of earlier runs. */
function makeTemporary(folder: string, path: string): string {
  const prefix = `.${basename(path)}.`;
  for (const name of readdirSync(folder)) {
    if (name.startsWith(prefix) && name.endsWith('.new')) rmSync(join(folder, name), { force: true });
  }
  return join(folder, `${prefix}${randomUUID()}.new`);
}

/** Characters that are written at a time. */
const pieceSize = 65_536;

/**
 * Like {@link writeWhole}, with other work of this process in between. One such write of a path may run at a time.
 * Rejects with the system's error.
 *
 * @param isWanted whether the file should still be replaced; asked at the end
 */
export async function writeWholeInPieces(
  path: string,
  pieces: readonly string[],
  mode: number,
  isWanted: () => boolean,
): Promise<void> {
  const folder = dirname(path);
  const temporary = makeTemporary(folder, path);
  try {
    const file = await open(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o600,
    );
    try {
      for (let at = 0; at < pieces.length; ) {
        let text = '';
        while (at < pieces.length && text.length < pieceSize) text += pieces[at++] ?? '';
        await file.writeFile(text);
      }
      await file.chmod(mode);
      await file.sync();
    } finally {
      await file.close();
    }
    if (!isWanted()) return;
    // Synchronous: a later writeWhole() must not come before it.
    renameSync(temporary, path);
    const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    await handle.sync().finally(() => handle.close());
  } finally {
    await rm(temporary, { force: true });
  }
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
