import { closeSync, constants, fchmodSync, fstatSync, readSync, type Stats, writeSync } from 'node:fs';
import { codeOf } from '../../../base/linux/libc/calls.ts';
import { openAt, openFolderWithoutLinks, renameAt } from '../../../base/linux/libc/files.ts';

/** Size in bytes above which a file is renamed to `.1` when it is next opened. */
export const rotateAtBytes = 10 * 1024 * 1024;

/** World-readable, because people read it without being root. Only the owner may write. */
const mode = 0o644;

/** Permissions that our logs never have: execution, write access for others, setuid and the like. */
const oddMode = 0o7133;

/**
 * O_NONBLOCK: a planted pipe does not block us. O_NOCTTY: a terminal does not become ours. O_APPEND: every write is
 * appended atomically, even with concurrent writers.
 */
const openFlags = constants.O_RDWR | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Start of every line. A file whose first line differs belongs to another program. */
const ownLine = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[(?:panic|error|verbose|debug)\] /;
const ownLineBytes = 40;

/**
 * Opens a log for appending, and renames it first if it exceeds {@link rotateAtBytes}. No component of the path may
 * be a symbolic link, and only regular files created by this program are written or renamed. Throws with the reason
 * for anything else.
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

/**
 * Opens or creates the file. O_CREAT alone would fail for our own files with sysctls such as `fs.protected_regular`.
 */
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
      // Another call was faster, or another process keeps creating and removing the file.
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

/** Returns why a file was not created by this program, or undefined. */
function objectTo(stats: Stats): string | undefined {
  if (!stats.isFile()) return 'it is not a regular file; remove it';
  if (stats.uid !== process.geteuid?.()) return 'it belongs to another user; remove it';
  // A second name may be a hard link that another user created to our file elsewhere.
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

/** Returns whether the last line of a file is incomplete because its writer was killed or the disk was full. */
export function endsWithinLine(fd: number): boolean {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
}

/** Renames a large file and opens a new one. After a failure the large one stays in use. */
function rotate(folder: number, name: string, fd: number, rotateAt: number): number {
  const stats = fstatSync(fd);
  if (stats.size <= rotateAt) return fd;
  try {
    // Another process may have rotated the log since we opened it.
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

/** Returns whether a rename to a name loses nothing but an older log of ours. */
function isFreeForRotation(folder: number, name: string): boolean {
  try {
    closeSync(keepIfOwn(openAt(folder, name, openFlags)));
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    throw error;
  }
}

/** Writes all bytes, in one call unless the disk is nearly full. Throws the file system's error. */
export function writeWhole(fd: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}
