import { closeSync, constants, fchmodSync, fstatSync, readSync, type Stats, writeSync } from 'node:fs';
import { codeOf } from '../../../base/linux/libc/calls.ts';
import { openAt, openFolderWithoutLinks, renameAt } from '../../../base/linux/libc/files.ts';

/** A file of more than this many bytes is set aside as `.1` when it is next opened. */
export const rotateAtBytes = 10 * 1024 * 1024;

/** Everyone may read, since people look at it without being root; nobody else may write. */
const mode = 0o644;

/** What no log of ours has: rights to execute, to write for others, setuid and the like. */
const oddMode = 0o7133;

/**
 * A pipe that somebody planted does not stop us (O_NONBLOCK), a terminal does not become ours
 * (O_NOCTTY), and every write goes to the end in one piece (O_APPEND), whoever else is writing.
 */
const openFlags = constants.O_RDWR | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY;

/** How every line of ours begins: a file whose first line does not is somebody else's. */
const ownLine = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[(?:panic|error|verbose|debug)\] /;
const ownLineBytes = 40;

/**
 * Opens a log to append to it, and sets it aside first when it is past {@link rotateAtBytes}. No link is
 * followed in any component of the path, and only a plain file that this program made is ever
 * written or renamed. Throws where there is something else, with the reason as the message.
 */
export function openLogFile(path: string, rotateAt = rotateAtBytes): number {
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  const folder = openFolderWithoutLinks(path.slice(0, slash) || '/');
  try {
    const fd = openOwn(folder, name);
    return rotate(folder, name, fd, rotateAt);
  } finally {
    closeSync(folder);
  }
}

/** Opens the file, or makes it: with O_CREAT alone, sysctls such as `fs.protected_regular` would refuse our own. */
function openOwn(folder: number, name: string): number {
  for (let attempt = 0; ; attempt++) {
    try {
      const fd = openAt(folder, name, openFlags);
      return keepIfOwn(fd);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    try {
      const fd = openAt(folder, name, openFlags | constants.O_CREAT | constants.O_EXCL, mode);
      fchmodSync(fd, mode);
      return fd;
    } catch (error) {
      // Another call of ours was quicker, or somebody plants and removes without end.
      if (codeOf(error) !== 'EEXIST' || attempt === 3) throw error;
    }
  }
}

function keepIfOwn(fd: number): number {
  const stats = fstatSync(fd);
  const objection = objectTo(stats) ?? (stats.size > 0 && !beginsWithOwnLine(fd) ? notOurs : undefined);
  if (objection === undefined) return fd;
  closeSync(fd);
  throw new Error(objection);
}

const notOurs = 'its first line is not one of this log; remove the file';

/** Why a file is not one that we made ourselves. */
function objectTo(stats: Stats): string | undefined {
  if (!stats.isFile()) return 'it is not a regular file; remove it';
  if (stats.uid !== process.geteuid?.()) return 'it belongs to another user; remove it';
  // A second name may be a file of ours elsewhere that somebody linked here to have it written to.
  if (stats.nlink !== 1) return 'it has other names (hard links); remove it';
  if ((stats.mode & oddMode) !== 0) {
    return `its mode is ${(stats.mode & 0o7777).toString(8)}, not ${mode.toString(8)}; remove it`;
  }
  return undefined;
}

function beginsWithOwnLine(fd: number): boolean {
  const bytes = Buffer.alloc(ownLineBytes);
  return ownLine.test(bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0)));
}

/** Whether the last line of a file lacks its end: its writer was killed, or the disk was full. */
export function endsWithinLine(fd: number): boolean {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
}

/** Sets a large file aside and opens a new one; a failure leaves the large one in use. */
function rotate(folder: number, name: string, fd: number, rotateAt: number): number {
  const stats = fstatSync(fd);
  if (stats.size <= rotateAt) return fd;
  try {
    // Another process may have rotated since we opened: then the name is a fresh file already.
    if (isStill(folder, name, stats.ino) && isFreeForRotation(folder, `${name}.1`)) {
      renameAt(folder, name, `${name}.1`);
    }
    const fresh = openOwn(folder, name);
    closeSync(fd);
    return fresh;
  } catch {
    return fd;
  }
}

function isStill(folder: number, name: string, inode: number): boolean {
  const fd = openOwn(folder, name);
  try {
    return fstatSync(fd).ino === inode;
  } finally {
    closeSync(fd);
  }
}

/** Whether nothing is lost by renaming to a name: only an older log of ours. */
function isFreeForRotation(folder: number, name: string): boolean {
  try {
    closeSync(keepIfOwn(openAt(folder, name, openFlags)));
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    throw error;
  }
}

/** Writes all of the bytes, in one piece unless the disk is nearly full. Throws the file system's error. */
export function writeWhole(fd: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}
