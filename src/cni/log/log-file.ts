import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  renameSync,
  type Stats,
  writeSync,
} from 'node:fs';

/** A file of more than this many bytes is set aside as `.1` when it is next opened. */
export const rotateAtBytes = 10 * 1024 * 1024;

/** Everyone may read, since people look at it without being root; nobody else may write. */
const mode = 0o644;

/** `O_CLOEXEC` on Linux; node:fs does not name it. Rule programs must not inherit the log. */
const closeOnExec = 0o2000000;

/**
 * The log lies in a folder where everybody may create files. So a link is not followed
 * (O_NOFOLLOW), a pipe that somebody planted does not stop us (O_NONBLOCK), and every write goes to
 * the end in one piece (O_APPEND), whoever else is writing.
 */
const openFlags =
  constants.O_WRONLY |
  constants.O_APPEND |
  constants.O_CREAT |
  constants.O_NOFOLLOW |
  constants.O_NONBLOCK |
  constants.O_NOCTTY |
  closeOnExec;

/** An open log file, or the reason why there is none. */
export interface LogFile {
  descriptor: number | undefined;
  problem: string | undefined;
}

/** Opens the file to append to it, and rotates it once past {@link rotateAtBytes}. Never throws. */
export function openLogFile(path: string, rotateAt = rotateAtBytes): LogFile {
  try {
    const descriptor = openOwn(path);
    return { descriptor: rotate(descriptor, path, rotateAt), problem: undefined };
  } catch (error) {
    return { descriptor: undefined, problem: `Cannot write the log ${path}: ${reasonOf(error)}` };
  }
}

/** Appends text in one write. Never throws: after a failure the rest of the log is dropped. */
export function appendText(file: LogFile, text: string): void {
  if (file.descriptor === undefined) return;
  try {
    const bytes = Buffer.from(text);
    let written = 0;
    // A regular file takes all at once, unless the disk is nearly full.
    while (written < bytes.length) written += writeSync(file.descriptor, bytes, written);
  } catch (error) {
    file.problem = `Cannot write the log: ${reasonOf(error)}`;
    closeLogFile(file);
  }
}

export function closeLogFile(file: LogFile): void {
  if (file.descriptor === undefined) return;
  const { descriptor } = file;
  file.descriptor = undefined;
  closeQuietly(descriptor);
}

function openOwn(path: string): number {
  const descriptor = openSync(path, openFlags, mode);
  try {
    const stats = fstatSync(descriptor);
    const objection = objectTo(stats);
    if (objection !== undefined) throw new Error(objection);
    // A file left writable for others by an earlier program would let them forge lines.
    if ((stats.mode & 0o022) !== 0) fchmodSync(descriptor, mode);
    return descriptor;
  } catch (error) {
    closeQuietly(descriptor);
    throw error;
  }
}

/** Why a file is not one that we made ourselves. */
function objectTo(stats: Stats): string | undefined {
  if (!stats.isFile()) return 'it is not a regular file; remove it';
  if (stats.uid !== process.geteuid?.()) return 'it belongs to another user; remove it';
  // A second name may be a file of ours elsewhere that somebody linked here to have it written to.
  if (stats.nlink !== 1) return 'it has other names (hard links); remove it';
  return undefined;
}

/** Sets a large file aside and opens a new one; a failure leaves the large one in use. */
function rotate(descriptor: number, path: string, rotateAt: number): number {
  const stats = fstatSync(descriptor);
  if (stats.size <= rotateAt) return descriptor;
  try {
    // Another process may have rotated since we opened: then the path is a fresh file already.
    if (lstatSync(path).ino === stats.ino) renameSync(path, `${path}.1`);
    const fresh = openOwn(path);
    closeQuietly(descriptor);
    return fresh;
  } catch {
    return descriptor;
  }
}

function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // Nothing is lost: what was written is written.
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
