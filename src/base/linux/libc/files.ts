import { closeSync, constants } from 'node:fs';
import { call, codeOf } from './calls.ts';

/** `O_CLOEXEC` and `O_PATH` on Linux, which node:fs does not export. */
const closeOnExec = 0o2000000;
const pathOnly = 0o10000000;

/** `AT_FDCWD`: relative paths start at the working directory. */
const workingDirectory = -100;
const openat2Number = 437;
const resolveNoSymlinks = 0x04;

/**
 * Opens a folder by its absolute path for calls relative to it. No component may be a symbolic link: this uses
 * `openat2` with RESOLVE_NO_SYMLINKS, or opens one component after another on kernels before 5.6. Throws a system
 * call's error, `ELOOP` or `ENOTDIR` for a link.
 */
export function openFolderWithoutLinks(path: string): number {
  const flags = pathOnly | constants.O_DIRECTORY | closeOnExec;
  try {
    return openat2(path, flags);
  } catch (error) {
    // A seccomp profile that does not know the call rejects it with EPERM.
    if (codeOf(error) !== 'ENOSYS' && codeOf(error) !== 'EPERM') throw error;
    return walk(path, flags);
  }
}

/** `struct open_how`: flags, mode and resolve, 64 bits each. */
function openat2(path: string, flags: number): number {
  const how = new BigUint64Array([BigInt(flags), 0n, BigInt(resolveNoSymlinks)]);
  return call('syscall', openat2Number, workingDirectory, text(path), new Uint8Array(how.buffer), how.byteLength);
}

function walk(path: string, flags: number): number {
  let folder = openAt(workingDirectory, '/', flags);
  for (const name of path.split('/')) {
    if (name === '') continue;
    const above = folder;
    try {
      folder = openAt(above, name, flags);
    } finally {
      closeSync(above);
    }
  }
  return folder;
}

/** Opens a file in an open folder unless it is a symbolic link. Throws a system call's error. */
export function openAt(folder: number, name: string, flags: number, mode = 0): number {
  return call('openat', folder, text(name), flags | constants.O_NOFOLLOW | closeOnExec, mode);
}

/** Renames a file within an open folder. Throws a system call's error. */
export function renameAt(folder: number, from: string, to: string): void {
  call('renameat', folder, text(from), folder, text(to));
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}
