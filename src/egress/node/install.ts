import { hash, randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeNew } from '../../base/files/write-whole.ts';

/** A program and its destination. */
export interface Installation {
  /** The executable to install. */
  readonly source: string;
  /** The folder of CNI plugins, at its mount point in this container. */
  readonly target: string;
  /** File name of the installed program. */
  readonly name: string;
}

/** Prefix of temporary files. Leftovers of interrupted installations are deleted. */
const temporaryPrefix = '.egress-router-';

/**
 * Installs a program into a folder of the node, unless an identical file exists. It is written to a temporary file,
 * synced and renamed: a runtime finds either the complete old or the complete new file, and running processes
 * continue. An existing file or link with this name is replaced, and links are never followed. Returns whether
 * anything was done. Throws an Error that names the file and the reason.
 */
export function install({ source, target, name }: Installation): 'installed' | 'current' {
  const place = join(target, name);
  // First, so that a missing folder, which is retried often, fails before the large source file is read.
  sweep(target);
  const content = attempt(`read ${source}`, () => readFileSync(source));
  if (isCurrent(place, content)) return 'current';
  const temporary = join(target, `${temporaryPrefix}${randomUUID()}`);
  try {
    attempt(`write ${temporary}`, () => writeNew(temporary, content, 0o755));
    attempt(`put ${name} into ${target}`, () => renameSync(temporary, place));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  return 'installed';
}

/** Removes the program. A missing file is not an error. Throws an Error that names the file and the reason. */
export function uninstall({ target, name }: Installation): void {
  attempt(`remove ${join(target, name)}`, () => rmSync(join(target, name), { force: true }));
}

function isCurrent(place: string, content: Buffer): boolean {
  let file: number;
  try {
    file = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    // The file is missing, a link, or unreadable, and will be replaced.
    return false;
  }
  try {
    const { mode, size } = fstatSync(file);
    const isProgram = (mode & constants.S_IFMT) === constants.S_IFREG && (mode & 0o7777) === 0o755;
    return isProgram && size === content.length && hash('sha256', readFileSync(file)) === hash('sha256', content);
  } finally {
    closeSync(file);
  }
}

function sweep(folder: string): void {
  const names = attempt(`list ${folder}`, () => readdirSync(folder));
  for (const name of names.filter((one) => one.startsWith(temporaryPrefix))) {
    const path = join(folder, name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === true) rmSync(path, { force: true });
  }
}

function attempt<T>(action: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw new Error(`Cannot ${action}: ${(cause as Error).message}`, { cause });
  }
}
